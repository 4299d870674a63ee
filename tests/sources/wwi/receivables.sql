-- Invoices with the day they are due, 7 days after issue: one row per invoice.
SELECT
  invoice.invoice_id AS document_id,
  invoice.customer_id,
  invoice.transaction_date AS issued_on,
  invoice.transaction_date + customer.payment_days AS due_on,
  invoice.transaction_amount AS gross_amount,
  'USD' AS currency
FROM wwi.customer_transactions AS invoice
JOIN wwi.customers AS customer ON customer.customer_id = invoice.customer_id
WHERE invoice.transaction_type_id = 1
  AND invoice.transaction_date >= :batch_start
  AND invoice.transaction_date < :batch_end
