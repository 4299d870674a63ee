-- The standing grades that people gave an account for a published day: one row per stage, the final one last.
SELECT stage, tier, graded_by, graded_on, reason
FROM tiering.grade
WHERE policy_id = :policy_id AND as_of = :as_of AND customer_id = :customer_id AND superseded_at IS NULL
ORDER BY CASE stage WHEN 'screened' THEN 1 WHEN 'pre_graded' THEN 2 ELSE 3 END
