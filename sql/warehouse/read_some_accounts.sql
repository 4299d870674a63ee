-- The first few accounts that a policy knows: at most 3 rows.
SELECT DISTINCT customer_id COLLATE "C" AS customer_id FROM tiering.customer_tier ORDER BY 1 LIMIT 3
