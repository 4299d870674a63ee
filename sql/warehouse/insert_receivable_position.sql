-- Receivables of every account as of a day, in the currency of the documents: one row per bill-to account and currency.
-- Who was not known on the day and has documents or money all the same is an account of its own: nothing is lost.
{% from 'measures/calendar.jinja' import days_between, today %}
{% from 'measures/exact.jinja' import long_ratio, ratio %}
{% set days = days_between('open_item.due_on', today) %}
INSERT INTO tiering.receivable_position (
  customer_id, currency, as_of, billed_amount, paid_amount, balance, open_amount, disputed_amount, overdue_amount,
  overdue_days, ageing_current, ageing_1_30, ageing_31_60, ageing_61_90, ageing_over_90, unmatched_amount,
  average_days, on_time_rate, dso
)
WITH {% include 'measures/accounts_of_day.jinja' %},
{% include 'measures/open_items_of_day.jinja' %},
billed AS (
  SELECT
    account_id,
    currency,
    SUM(gross_amount) AS billed_amount,
    SUM(gross_amount - unsettled_amount) AS paid_amount,
    SUM(CASE WHEN issued_on > :year_begin THEN gross_amount END) AS billed_in_year
  FROM document
  GROUP BY account_id, currency
),
paid AS (
  SELECT
    debtor.account_id,
    payment.currency,
    SUM(CASE WHEN payment.document_id IS NULL THEN payment.amount END) AS paid_amount,
    SUM(CASE WHEN payment.document_id IS NOT NULL THEN payment.amount END) AS unmatched_amount
  FROM payment
  JOIN debtor ON debtor.customer_id = payment.customer_id
  LEFT JOIN named_money ON named_money.document_id = payment.document_id
  WHERE named_money.document_id IS NULL
  GROUP BY debtor.account_id, payment.currency
),
aged AS (
  SELECT
    account_id,
    currency,
    SUM(open_amount) AS open_amount,
    SUM(CASE WHEN is_disputed THEN open_amount END) AS disputed_amount,
    SUM(CASE WHEN NOT is_disputed AND {{ days }} > 0 THEN open_amount END) AS overdue_amount,
    MAX(CASE WHEN NOT is_disputed AND open_amount > 0 AND {{ days }} > 0 THEN {{ days }} END) AS overdue_days,
    SUM(CASE WHEN NOT is_disputed AND {{ days }} <= 0 THEN open_amount END) AS ageing_current,
    SUM(CASE WHEN NOT is_disputed AND {{ days }} BETWEEN 1 AND 30 THEN open_amount END) AS ageing_1_30,
    SUM(CASE WHEN NOT is_disputed AND {{ days }} BETWEEN 31 AND 60 THEN open_amount END) AS ageing_31_60,
    SUM(CASE WHEN NOT is_disputed AND {{ days }} BETWEEN 61 AND 90 THEN open_amount END) AS ageing_61_90,
    SUM(CASE WHEN NOT is_disputed AND {{ days }} > 90 THEN open_amount END) AS ageing_over_90
  FROM open_item
  GROUP BY account_id, currency
),
settled AS (
  SELECT
    document.account_id,
    document.currency,
    SUM(payment.amount_reporting) AS amount,
    SUM(CASE WHEN payment.paid_on <= document.due_on THEN payment.amount_reporting ELSE 0 END) AS on_time,
    SUM(payment.amount_reporting * {{ days_between('document.issued_on', 'payment.paid_on') }}) AS amount_days
  FROM payment
  JOIN document ON document.document_id = payment.document_id
  WHERE document.gross_amount > 0 AND payment.paid_on > :year_begin
  GROUP BY document.account_id, document.currency
),
place AS (
  SELECT account_id, currency FROM billed
  UNION
  SELECT account_id, currency FROM paid
)
SELECT
  place.account_id,
  place.currency,
  {{ today }},
  COALESCE(billed.billed_amount, 0),
  COALESCE(billed.paid_amount, 0) + COALESCE(paid.paid_amount, 0),
  COALESCE(billed.billed_amount, 0) - COALESCE(billed.paid_amount, 0) - COALESCE(paid.paid_amount, 0),
  COALESCE(aged.open_amount, 0),
  COALESCE(aged.disputed_amount, 0),
  COALESCE(aged.overdue_amount, 0),
  COALESCE(aged.overdue_days, 0),
  COALESCE(aged.ageing_current, 0),
  COALESCE(aged.ageing_1_30, 0),
  COALESCE(aged.ageing_31_60, 0),
  COALESCE(aged.ageing_61_90, 0),
  COALESCE(aged.ageing_over_90, 0),
  COALESCE(paid.unmatched_amount, 0),
  {{ long_ratio("settled.amount_days", "settled.amount") }},
  {{ ratio("settled.on_time", "settled.amount") }},
  {{ long_ratio("COALESCE(aged.open_amount, 0) * " ~ days_between(":year_begin", today), "billed.billed_in_year") }}
FROM place
LEFT JOIN billed ON billed.account_id = place.account_id AND billed.currency = place.currency
LEFT JOIN paid ON paid.account_id = place.account_id AND paid.currency = place.currency
LEFT JOIN aged ON aged.account_id = place.account_id AND aged.currency = place.currency
LEFT JOIN settled ON settled.account_id = place.account_id AND settled.currency = place.currency
