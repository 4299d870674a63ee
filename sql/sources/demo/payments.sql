-- Payments valued in the batch: one row per receipt on a payer's account; a refund is negative.
SELECT
    receipt.receipt_no AS payment_id,
    receipt.debtor_no AS customer_id,
    receipt.value_day AS paid_on,
    receipt.receipt_amount AS amount,
    receipt.currency_code AS currency,
    receipt.cleared_document_no AS document_id,
    CASE receipt.receipt_kind
        WHEN 'CASH' THEN 'cash_sale'
        WHEN 'COLL' THEN 'collection'
        WHEN 'PREP' THEN 'prepayment'
        WHEN 'REFD' THEN 'refund'
    END AS kind
FROM erp.cash_receipt AS receipt
WHERE receipt.value_day >= :batch_start
    AND receipt.value_day < :batch_end
