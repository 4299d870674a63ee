-- Sales posted in the batch: one row per line of an invoice or credit note.
SELECT
    line.line_key AS line_id,
    invoice.invoice_no AS document_id,
    invoice.sold_to_no AS customer_id,
    invoice.posting_day AS sold_on,
    line.net_value AS net_amount,
    invoice.currency_code AS currency,
    line.vat_value AS tax_amount,
    line.cost_value AS cost_amount,
    CASE invoice.document_kind
        WHEN 'RE' THEN 'invoice'
        WHEN 'GS' THEN 'credit_note'
    END AS document_type,
    line.item_no AS product_id,
    line.quantity AS quantity,
    invoice.company_code AS entity
FROM erp.invoice AS invoice
INNER JOIN erp.invoice_line AS line
    ON line.invoice_no = invoice.invoice_no
WHERE invoice.posting_day >= :batch_start
    AND invoice.posting_day < :batch_end
