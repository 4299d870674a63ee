-- Customers that were erased, whose absence has the reason erased from that day on: one row per customer.
SELECT customer_id, erased_on FROM tiering.erasure ORDER BY customer_id
