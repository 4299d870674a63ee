-- Every document up to a day, credit notes negative, with what the money that names it leaves unsettled: one row per document.
SELECT
  account.account_id,
  receivable.document_id,
  receivable.entity,
  receivable.issued_on,
  receivable.due_on,
  receivable.currency,
  receivable.is_disputed,
  receivable.gross_amount,
  receivable.gross_amount_reporting,
  receivable.gross_amount - COALESCE(named_money.amount, 0) AS unsettled_amount
FROM receivable
JOIN {{ debtors | default('account') }} AS account ON account.customer_id = receivable.customer_id
LEFT JOIN named_money ON named_money.document_id = receivable.document_id
