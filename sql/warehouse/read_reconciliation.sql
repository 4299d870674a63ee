-- Sales, receivables and cash held against each other as of a day, per bill-to account and currency, in that currency:
-- one row per account that does not agree to the cent, and one per currency without an account: the total of all.
-- sales_difference: what was invoiced, not booked. cash_difference: what was booked, neither collected nor open, nor
-- money on account (paid or credited, and no open document left to settle).
WITH {% include 'measures/accounts_of_day.jinja' %},
{% include 'measures/open_items_of_day.jinja' %},
entry AS (
  SELECT
    account.account_id,
    sale.currency,
    CASE WHEN sale.document_type = 'credit_note' THEN -ABS(sale.gross_amount) ELSE sale.gross_amount END AS invoiced,
    0 AS booked,
    0 AS collected,
    0 AS open_amount,
    0 AS unallocated
  FROM facts.sales AS sale
  JOIN account ON account.customer_id = sale.customer_id
  WHERE sale.sold_on <= :as_of
    AND sale.batch_no <= :facts_batch_no
    AND (sale.superseded_in IS NULL OR sale.superseded_in > :facts_batch_no)
  UNION ALL
  SELECT account.account_id, receivable.currency, 0, receivable.gross_amount, 0, 0, 0
  FROM receivable
  JOIN account ON account.customer_id = receivable.customer_id
  UNION ALL
  SELECT
    account.account_id,
    payment.currency,
    0,
    0,
    payment.amount,
    0,
    CASE WHEN payment.document_id IS NULL THEN payment.amount ELSE 0 END
  FROM payment
  JOIN account ON account.customer_id = payment.customer_id
  UNION ALL
  SELECT account_id, currency, 0, 0, 0, open_amount, 0
  FROM open_item
),
settling AS (
  SELECT
    account_id,
    currency,
    SUM(CASE WHEN unsettled_amount > 0 AND gross_amount > 0 THEN unsettled_amount ELSE 0 END) AS unsettled,
    SUM(CASE WHEN unsettled_amount < 0 THEN -unsettled_amount ELSE 0 END) AS overpaid
  FROM document
  GROUP BY account_id, currency
),
summed AS (
  SELECT
    account_id,
    currency,
    SUM(invoiced) AS invoiced,
    SUM(booked) AS booked,
    SUM(collected) AS collected,
    SUM(open_amount) AS open_amount,
    SUM(unallocated) AS unallocated
  FROM entry
  GROUP BY account_id, currency
),
standing AS (
  SELECT
    summed.account_id,
    summed.currency,
    COALESCE(summed.invoiced, 0) AS invoiced,
    summed.booked,
    summed.collected,
    summed.open_amount,
    GREATEST(
      summed.unallocated + COALESCE(settling.overpaid, 0) - COALESCE(settling.unsettled, 0), 0
    ) AS on_account
  FROM summed
  LEFT JOIN settling ON settling.account_id = summed.account_id AND settling.currency = summed.currency
),
held AS (
  SELECT
    account_id,
    currency,
    invoiced,
    booked,
    collected,
    open_amount,
    on_account,
    invoiced - booked AS sales_difference,
    booked - collected - open_amount + on_account AS cash_difference
  FROM standing
),
judged AS (
  SELECT
    account_id,
    currency,
    invoiced,
    booked,
    collected,
    open_amount,
    on_account,
    sales_difference,
    cash_difference,
    CASE
      WHEN ABS(sales_difference) >= 0.01 OR ABS(cash_difference) >= 0.01 THEN 1 ELSE 0
    END AS differs
  FROM held
)
SELECT
  account_id,
  currency,
  invoiced,
  booked,
  collected,
  open_amount,
  on_account,
  sales_difference,
  cash_difference,
  1 AS accounts,
  differs
FROM judged
WHERE differs = 1
UNION ALL
SELECT
  CAST(NULL AS TEXT),
  currency,
  SUM(invoiced),
  SUM(booked),
  SUM(collected),
  SUM(open_amount),
  SUM(on_account),
  SUM(sales_difference),
  SUM(cash_difference),
  COUNT(*),
  SUM(differs)
FROM judged
GROUP BY currency
