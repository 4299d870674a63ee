-- Purchases, refunds and corrections of a price: one row each.
SELECT
  event_id AS line_id,
  event_id AS document_id,
  member AS customer_id,
  happened_on AS sold_on,
  amount AS net_amount,
  'CNY' AS currency,
  CAST(0 AS DECIMAL(18, 2)) AS tax_amount,
  CASE WHEN kind = 'purchase' THEN 'invoice' ELSE 'credit_note' END AS document_type
FROM books.event
WHERE kind IN ('purchase', 'refund', 'correction') AND happened_on >= :batch_start AND happened_on < :batch_end
