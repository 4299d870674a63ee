-- What an account paid without naming a document, paid too much or was credited: one row per account and currency.
{% from 'measures/exact.jinja' import in_reporting %}
SELECT entry.account_id, entry.currency, SUM(entry.amount) AS amount, SUM(entry.amount_reporting) AS amount_reporting
FROM (
  SELECT account.account_id, payment.currency, payment.amount, payment.amount_reporting
  FROM payment
  JOIN {{ debtors | default('account') }} AS account ON account.customer_id = payment.customer_id
  WHERE payment.document_id IS NULL
  UNION ALL
  SELECT
    document.account_id,
    document.currency,
    -document.unsettled_amount AS amount,
    CASE
      WHEN document.gross_amount = document.gross_amount_reporting THEN -document.unsettled_amount
      WHEN document.gross_amount = document.unsettled_amount THEN -document.gross_amount_reporting
      ELSE {{ in_reporting("-document.unsettled_amount", "ABS(document.gross_amount)", "ABS(document.gross_amount_reporting)") }}
    END AS amount_reporting
  FROM document
  WHERE document.unsettled_amount < 0
) AS entry
GROUP BY entry.account_id, entry.currency
