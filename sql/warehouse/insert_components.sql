-- Keeps the indicators behind the decisions of a run: one row per account and indicator.
INSERT INTO tiering.score_component (
  policy_id, as_of, revision, customer_id, indicator, value, value_text, level, points, weight, contribution,
  is_missing, evidence_on
)
SELECT
  CAST(:policy_id AS TEXT), CAST(:as_of AS DATE), CAST(:revision AS INTEGER), customer_id, indicator, value,
  value_text, level, points, weight, contribution, is_missing, evidence_on
FROM work.component
WHERE run_id = :run_id
