-- Ends the absence of customers that this extract names again; a refused row names its customer too.
UPDATE tiering.missing_customer
SET returned_on = :extracted_on, returned_in = :batch_no
WHERE returned_on IS NULL
  AND (
    EXISTS (
      SELECT 1 FROM work.parsed_customers AS parsed WHERE parsed.customer_id = missing_customer.customer_id
    )
    OR EXISTS (
      SELECT 1
      FROM work.refused AS refused
      WHERE refused.entity = 'customers' AND refused.customer_id = missing_customer.customer_id
    )
  )
