-- Whom the documents of every customer belong to on a day: the customer it was merged into, if that one is known, else itself: one row per customer.
SELECT
  customer.customer_id,
  customer.opened_on,
  COALESCE(heir.customer_id, customer.customer_id) AS owner_id
FROM known_customer AS customer
LEFT JOIN successor ON successor.customer_id = customer.customer_id
LEFT JOIN known_customer AS heir ON heir.customer_id = successor.merged_into
