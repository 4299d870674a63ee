-- Customers with more than one current tier, or more than one open spell, under one policy: one row each.
SELECT policy_id, customer_id
FROM tiering.customer_tier
GROUP BY policy_id, customer_id
HAVING COUNT(*) > 1
UNION ALL
SELECT policy_id, customer_id
FROM tiering.customer_tier_history
WHERE valid_to IS NULL
GROUP BY policy_id, customer_id
HAVING COUNT(*) > 1
