-- Spells and absences that reach a day or begin after it: one row each.
SELECT customer_id, tier, computed_tier, status, CAST(NULL AS TEXT) AS reason, valid_from, valid_to, run_id
FROM tiering.customer_tier_history
WHERE policy_id = :policy_id AND (valid_to IS NULL OR valid_to >= :as_of)
UNION ALL
SELECT customer_id, NULL, NULL, NULL, reason, valid_from, valid_to, NULL
FROM tiering.absence
WHERE policy_id = :policy_id AND (valid_to IS NULL OR valid_to >= :as_of)
