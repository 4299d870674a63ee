-- Invoices; the slice has no lines, so each invoice is one: one row per invoice.
SELECT
  transaction_id AS line_id,
  invoice_id AS document_id,
  customer_id,
  transaction_date AS sold_on,
  amount_excluding_tax AS net_amount,
  tax_amount,
  'USD' AS currency,
  'invoice' AS document_type
FROM wwi.customer_transactions
WHERE transaction_type_id = 1
  AND transaction_date >= :batch_start
  AND transaction_date < :batch_end
