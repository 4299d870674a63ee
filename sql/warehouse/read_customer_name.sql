-- The name that a customer has on a day; before the first extract, the first one holds: one row, or none.
SELECT name
FROM facts.customers
WHERE customer_id = :customer_id AND superseded_in IS NULL
ORDER BY
  CASE WHEN holds_from <= :as_of THEN 0 ELSE 1 END,
  CASE WHEN holds_from <= :as_of THEN holds_from END DESC NULLS LAST,
  holds_from
LIMIT 1
