-- What a run found and what people gave for its day: one row per graded account.
-- The tier in force is the one on the day before.
WITH found AS (
  SELECT customer_id, computed_tier, status, score
  FROM tiering.decision
  WHERE run_id = :run_id
  UNION ALL
  SELECT customer_id, computed_tier, status, score
  FROM work.decided
  WHERE run_id = :run_id AND computed_tier IS NOT NULL
),
given AS (
  SELECT customer_id, stage, tier, graded_by, graded_on, reason
  FROM tiering.grade
  WHERE policy_id = :policy_id AND as_of = :as_of AND superseded_at IS NULL
)
SELECT
  found.customer_id,
  found.computed_tier,
  found.status,
  found.score,
  spell.tier AS tier_before,
  pre_grade.tier AS pre_grade,
  pre_grade.graded_by AS pre_graded_by,
  pre_grade.reason AS pre_reason,
  final_grade.tier AS final_grade,
  final_grade.graded_by AS final_graded_by,
  final_grade.reason AS final_reason
FROM found
LEFT JOIN tiering.customer_tier_history AS spell
  ON spell.policy_id = :policy_id AND spell.customer_id = found.customer_id
  AND spell.valid_from < :as_of AND (spell.valid_to IS NULL OR spell.valid_to >= :as_of)
LEFT JOIN given AS pre_grade ON pre_grade.customer_id = found.customer_id AND pre_grade.stage = 'pre_graded'
LEFT JOIN given AS final_grade ON final_grade.customer_id = found.customer_id AND final_grade.stage = 'final'
ORDER BY found.customer_id
