-- Payments received; the source books them negative and names no document: one row per payment.
SELECT
  transaction_id AS payment_id,
  customer_id,
  transaction_date AS paid_on,
  -transaction_amount AS amount,
  'USD' AS currency,
  'collection' AS kind
FROM wwi.customer_transactions
WHERE transaction_type_id = 3
  AND transaction_date >= :batch_start
  AND transaction_date < :batch_end
