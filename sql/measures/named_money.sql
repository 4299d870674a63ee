-- Money that names a document, in the currency of that document, whoever paid it: one row per document that is named.
{% from 'measures/exact.jinja' import in_reporting %}
SELECT
  receivable.document_id,
  SUM(
    CASE
      WHEN payment.currency = receivable.currency THEN payment.amount
      ELSE {{ in_reporting("payment.amount_reporting", "receivable.gross_amount_reporting", "receivable.gross_amount") }}
    END
  ) AS amount
FROM receivable
JOIN payment ON payment.document_id = receivable.document_id
WHERE receivable.gross_amount_reporting <> 0
GROUP BY receivable.document_id
