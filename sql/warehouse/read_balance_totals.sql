-- Documents, payments and balance of all accounts up to a day, in the reporting currency: one row.
WITH document AS (
  SELECT COALESCE(SUM(gross_amount_reporting), 0) AS amount
  FROM facts.receivables
  WHERE issued_on <= :as_of AND superseded_in IS NULL
),
payment AS (
  SELECT COALESCE(SUM(CASE WHEN kind = 'refund' THEN -ABS(amount_reporting) ELSE amount_reporting END), 0) AS amount
  FROM facts.payments
  WHERE paid_on <= :as_of AND superseded_in IS NULL
)
SELECT document.amount AS receivables, payment.amount AS payments, document.amount - payment.amount AS balance
FROM document
CROSS JOIN payment
