-- Customers that are out of every policy on a day: gone from the source, or erased: one row per customer.
SELECT customer_id
FROM tiering.missing_customer
WHERE gone_on <= :as_of
  AND gone_in <= :facts_batch_no
  AND (returned_on IS NULL OR returned_on > :as_of OR returned_in > :facts_batch_no)
UNION
SELECT customer_id
FROM tiering.erasure
WHERE erased_on <= :as_of AND batch_no <= :facts_batch_no
