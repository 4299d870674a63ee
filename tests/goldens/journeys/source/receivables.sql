-- What purchases leave open, due on the day itself: one row per purchase.
SELECT
  event_id AS document_id,
  member AS customer_id,
  happened_on AS issued_on,
  happened_on AS due_on,
  amount AS gross_amount,
  'CNY' AS currency
FROM books.event
WHERE kind = 'purchase' AND happened_on >= :batch_start AND happened_on < :batch_end
