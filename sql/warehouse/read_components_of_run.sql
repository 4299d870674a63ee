-- The indicators behind the decisions of a run, published or not yet: one row per account and indicator.
SELECT customer_id, indicator, value, value_text, level, points, weight, contribution, evidence_on
FROM tiering.score_component
WHERE policy_id = :policy_id AND as_of = :as_of AND revision = :revision
UNION ALL
SELECT customer_id, indicator, value, value_text, level, points, weight, contribution, evidence_on
FROM work.component
WHERE run_id = :run_id
