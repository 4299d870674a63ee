-- Receivables issued in the batch: one row per item on a payer's account; a credit note is negative.
SELECT
    item.document_no AS document_id,
    item.debtor_no AS customer_id,
    item.document_day AS issued_on,
    item.net_due_day AS due_on,
    item.item_amount AS gross_amount,
    item.currency_code AS currency,
    item.dispute_flag = 'X' AS is_disputed,
    item.company_code AS entity
FROM erp.debtor_item AS item
WHERE item.document_day >= :batch_start
    AND item.document_day < :batch_end
