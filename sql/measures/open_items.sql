-- What is open of every invoice as of a day, in its currency and the reporting currency: one row per account and invoice, settled ones too.
-- Money that names a document settles that document, whoever paid it. Whatever else the account paid, paid too
-- much or was credited settles its documents of the same currency, the one that was due first first; what is left
-- over settles nothing. Money that names a document the facts do not hold is not used for another one.
{% from 'measures/exact.jinja' import in_reporting %}
WITH queued AS (
  SELECT
    document.account_id,
    document.document_id,
    document.entity,
    document.issued_on,
    document.due_on,
    document.currency,
    document.is_disputed,
    document.gross_amount,
    document.gross_amount_reporting,
    document.unsettled_amount,
    SUM(document.unsettled_amount) OVER (
      PARTITION BY document.account_id, document.currency
      ORDER BY document.due_on, document.issued_on, document.document_id COLLATE "C"
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS unsettled_through
  FROM document
  WHERE document.gross_amount > 0 AND document.unsettled_amount > 0
),
settled AS (
  SELECT
    queued.account_id,
    queued.document_id,
    queued.entity,
    queued.issued_on,
    queued.due_on,
    queued.currency,
    queued.is_disputed,
    queued.gross_amount,
    queued.gross_amount_reporting,
    CASE
      WHEN COALESCE(free_money.amount, 0) >= queued.unsettled_through THEN 0
      WHEN COALESCE(free_money.amount, 0) <= queued.unsettled_through - queued.unsettled_amount THEN queued.unsettled_amount
      ELSE queued.unsettled_through - free_money.amount
    END AS open_amount
  FROM queued
  LEFT JOIN free_money ON free_money.account_id = queued.account_id AND free_money.currency = queued.currency
  UNION ALL
  SELECT
    document.account_id,
    document.document_id,
    document.entity,
    document.issued_on,
    document.due_on,
    document.currency,
    document.is_disputed,
    document.gross_amount,
    document.gross_amount_reporting,
    0 AS open_amount
  FROM document
  WHERE document.gross_amount > 0 AND document.unsettled_amount <= 0
)
SELECT
  settled.account_id,
  settled.document_id,
  settled.entity,
  settled.issued_on,
  settled.due_on,
  settled.currency,
  settled.is_disputed,
  settled.gross_amount,
  settled.gross_amount_reporting,
  settled.open_amount,
  CASE
    WHEN settled.open_amount = settled.gross_amount THEN settled.gross_amount_reporting
    WHEN settled.gross_amount = settled.gross_amount_reporting THEN settled.open_amount
    ELSE {{ in_reporting("settled.open_amount", "settled.gross_amount", "settled.gross_amount_reporting") }}
  END AS open_amount_reporting
FROM settled
