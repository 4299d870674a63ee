-- Money received up to a day, refunds negative: one row per payment.
SELECT
  customer_id,
  document_id,
  paid_on,
  currency,
  CASE WHEN kind = 'refund' THEN -ABS(amount) ELSE amount END AS amount,
  CASE WHEN kind = 'refund' THEN -ABS(amount_reporting) ELSE amount_reporting END AS amount_reporting
FROM facts.payments
WHERE paid_on <= :as_of
  AND batch_no <= :facts_batch_no
  AND (superseded_in IS NULL OR superseded_in > :facts_batch_no)
