-- What is open of every invoice as of a day, in its currency and the reporting currency: one row per account and invoice, settled ones too.
-- Money that names a document settles that document, whoever paid it. Whatever else the account paid, paid too
-- much or was credited settles its documents of the same currency, the one that was due first first; what is left
-- over settles nothing. Money that names a document the facts do not hold is not used for another one.
WITH allocated AS (
  SELECT
    receivable.document_id,
    SUM(
      CASE
        WHEN payment.currency = receivable.currency THEN payment.amount
        ELSE CAST(
          (
            (CAST(payment.amount_reporting * 10000 AS HUGEINT) * CAST(receivable.gross_amount * 10000 AS HUGEINT))
            // CAST(receivable.gross_amount_reporting * 10000 AS HUGEINT)
          ) * CAST(0.0001 AS DECIMAL(38, 4)) AS DECIMAL(38, 4)
        )
      END
    ) AS amount
  FROM receivable
  JOIN payment ON payment.document_id = receivable.document_id
  WHERE receivable.gross_amount_reporting <> 0
  GROUP BY receivable.document_id
),
document AS (
  SELECT
    account.account_id,
    receivable.document_id,
    receivable.issued_on,
    receivable.due_on,
    receivable.currency,
    receivable.is_disputed,
    receivable.gross_amount,
    receivable.gross_amount_reporting,
    receivable.gross_amount - COALESCE(allocated.amount, 0) AS unsettled_amount
  FROM receivable
  JOIN account ON account.customer_id = receivable.customer_id
  LEFT JOIN allocated ON allocated.document_id = receivable.document_id
),
credit AS (
  SELECT entry.account_id, entry.currency, SUM(entry.amount) AS amount
  FROM (
    SELECT account.account_id, payment.currency, payment.amount
    FROM payment
    JOIN account ON account.customer_id = payment.customer_id
    WHERE payment.document_id IS NULL
    UNION ALL
    SELECT document.account_id, document.currency, -document.unsettled_amount AS amount
    FROM document
    WHERE document.unsettled_amount < 0
  ) AS entry
  GROUP BY entry.account_id, entry.currency
),
queued AS (
  SELECT
    document.account_id,
    document.document_id,
    document.issued_on,
    document.due_on,
    document.currency,
    document.is_disputed,
    document.gross_amount,
    document.gross_amount_reporting,
    CASE WHEN document.unsettled_amount > 0 THEN document.unsettled_amount ELSE 0 END AS unsettled_amount,
    SUM(CASE WHEN document.unsettled_amount > 0 THEN document.unsettled_amount ELSE 0 END) OVER (
      PARTITION BY document.account_id, document.currency
      ORDER BY document.due_on, document.issued_on, document.document_id COLLATE "C"
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS unsettled_through
  FROM document
  WHERE document.gross_amount > 0
),
settled AS (
  SELECT
    queued.account_id,
    queued.document_id,
    queued.issued_on,
    queued.due_on,
    queued.currency,
    queued.is_disputed,
    queued.gross_amount,
    queued.gross_amount_reporting,
    CASE
      WHEN COALESCE(credit.amount, 0) >= queued.unsettled_through THEN 0
      WHEN COALESCE(credit.amount, 0) <= queued.unsettled_through - queued.unsettled_amount THEN queued.unsettled_amount
      ELSE queued.unsettled_through - credit.amount
    END AS open_amount
  FROM queued
  LEFT JOIN credit ON credit.account_id = queued.account_id AND credit.currency = queued.currency
)
SELECT
  settled.account_id,
  settled.document_id,
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
    ELSE CAST(
      (
        (CAST(settled.open_amount * 10000 AS HUGEINT) * CAST(settled.gross_amount_reporting * 10000 AS HUGEINT))
        // CAST(settled.gross_amount * 10000 AS HUGEINT)
      ) * CAST(0.0001 AS DECIMAL(38, 4)) AS DECIMAL(38, 4)
    )
  END AS open_amount_reporting
FROM settled
