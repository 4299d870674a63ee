-- The indicators behind a decision: one row per indicator of one account on one day.
SELECT indicator, value, value_text, evidence_on
FROM tiering.score_component
WHERE policy_id = :policy_id AND as_of = :as_of AND revision = :revision AND customer_id = :customer_id
ORDER BY indicator
