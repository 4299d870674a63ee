-- Customers that were erased by a day, whose absence has the reason erased: one row per customer.
SELECT customer_id, erased_on FROM tiering.erasure WHERE erased_on <= :as_of ORDER BY customer_id
