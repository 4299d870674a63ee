-- Inputs that were decided in two ways in one run: one row each.
SELECT policy_id, as_of, revision, input_hash
FROM tiering.decision
GROUP BY policy_id, as_of, revision, input_hash
HAVING COUNT(DISTINCT computed_tier) > 1 OR COUNT(DISTINCT status) > 1
