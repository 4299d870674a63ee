-- Merges of a customer and into it: one row per customer and day, in order.
SELECT customer_id, merged_into, merged_on, follows
FROM tiering.customer_merge
WHERE customer_id = :customer_id OR merged_into = :customer_id
ORDER BY customer_id, merged_on
