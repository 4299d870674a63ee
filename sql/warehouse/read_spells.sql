-- The history of one account under a policy: one row per spell with a tier and per absence, in order.
SELECT tier, computed_tier, status, CAST(NULL AS TEXT) AS reason, valid_from, valid_to
FROM tiering.customer_tier_history
WHERE policy_id = :policy_id AND customer_id = :customer_id
UNION ALL
SELECT NULL, NULL, NULL, reason, valid_from, valid_to
FROM tiering.absence
WHERE policy_id = :policy_id AND customer_id = :customer_id
ORDER BY valid_from
