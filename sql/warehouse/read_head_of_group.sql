-- The head of a group, as the measures take it: one row, or none.
SELECT customer_id
FROM facts.customers
WHERE group_id = :account_id AND superseded_in IS NULL
ORDER BY CASE WHEN customer_id = :account_id THEN 0 ELSE 1 END, customer_id COLLATE "C"
LIMIT 1
