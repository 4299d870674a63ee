-- Orders up to a day that are not invoiced yet, as the last extract knew them: one row per order.
SELECT customer_id, document_id, amount_reporting
FROM facts.open_orders
WHERE ordered_on <= :as_of
  AND batch_no <= :facts_batch_no
  AND (superseded_in IS NULL OR superseded_in > :facts_batch_no)
