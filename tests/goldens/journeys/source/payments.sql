-- Purchases are paid on the day, and refunds are paid back: one row each.
SELECT
  event_id AS payment_id,
  member AS customer_id,
  happened_on AS paid_on,
  amount,
  'CNY' AS currency,
  CASE WHEN kind = 'refund' THEN 'refund' ELSE 'collection' END AS kind
FROM books.event
WHERE kind IN ('purchase', 'refund') AND happened_on >= :batch_start AND happened_on < :batch_end
