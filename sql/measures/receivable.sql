-- Documents issued up to a day, credit notes negative: one row per document.
SELECT
  document_id,
  customer_id,
  entity,
  issued_on,
  due_on,
  currency,
  gross_amount,
  gross_amount_reporting,
  COALESCE(is_disputed, FALSE) AS is_disputed
FROM facts.receivables
WHERE issued_on <= :as_of
  AND batch_no <= :facts_batch_no
  AND (superseded_in IS NULL OR superseded_in > :facts_batch_no)
