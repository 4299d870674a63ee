-- Counts the complete extracts, on different days, since every missing customer was last named.
UPDATE tiering.missing_customer
SET extracts = 1 + (
  SELECT COUNT(DISTINCT batch.holds_from)
  FROM tiering.batch AS batch
  WHERE batch.entity = 'customers'
    AND batch.holds_from >= missing_customer.missing_since
    AND batch.holds_from < :extracted_on
)
WHERE returned_on IS NULL AND gone_on IS NULL
