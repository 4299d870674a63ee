-- Whether the facts know a customer: one row.
SELECT COUNT(*) AS versions FROM facts.customers WHERE customer_id = :customer_id
