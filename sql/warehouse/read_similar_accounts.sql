-- Accounts whose number begins or ends like another one, whatever the letter case: at most 2,000 rows.
WITH known AS (
  SELECT customer_id FROM tiering.customer_tier
  UNION
  SELECT customer_id FROM tiering.absence
  UNION
  SELECT customer_id FROM tiering.customer_class
)
SELECT customer_id
FROM known
WHERE LOWER(customer_id) LIKE :beginning OR LOWER(customer_id) LIKE :ending
ORDER BY customer_id COLLATE "C"
LIMIT 2000
