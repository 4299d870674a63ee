-- What every account owes as of a day, reporting currency: one row per account and selling company (empty: none, or none stated).
-- advance: money paid without naming a document, paid too much or credited, that no invoice is left to settle.
{% from 'measures/exact.jinja' import in_reporting %}
WITH {% include 'measures/accounts_of_day.jinja' %},
{% include 'measures/open_items_of_day.jinja' %},
open_order AS (
  {% include 'measures/open_order.sql' %}
),
unsettled AS (
  SELECT account_id, currency, SUM(unsettled_amount) AS amount
  FROM document
  WHERE gross_amount > 0 AND unsettled_amount > 0
  GROUP BY account_id, currency
),
debt AS (
  SELECT
    account_id,
    COALESCE(entity, '') AS entity,
    open_amount_reporting AS balance,
    CASE WHEN due_on < :as_of AND NOT is_disputed THEN open_amount_reporting ELSE 0 END AS overdue,
    0 AS open_orders,
    0 AS advance
  FROM open_item
  WHERE open_amount > 0
  UNION ALL
  SELECT account.account_id, '', 0, 0, open_order.amount_reporting, 0
  FROM open_order
  JOIN account ON account.customer_id = open_order.customer_id
  UNION ALL
  SELECT
    free_money.account_id,
    '',
    0,
    0,
    0,
    CASE
      WHEN free_money.amount <= 0 OR unsettled.amount IS NULL THEN free_money.amount_reporting
      WHEN free_money.amount > unsettled.amount AND free_money.amount_reporting > 0 THEN
        {{ in_reporting("free_money.amount - unsettled.amount", "free_money.amount", "free_money.amount_reporting") }}
      ELSE 0
    END
  FROM free_money
  LEFT JOIN unsettled ON unsettled.account_id = free_money.account_id AND unsettled.currency = free_money.currency
  UNION ALL
  SELECT account_id, '', 0, 0, 0, 0
  FROM account
)
SELECT
  debt.account_id,
  MIN(head.group_id) AS group_id,
  debt.entity,
  SUM(debt.balance) AS balance,
  SUM(debt.overdue) AS overdue,
  SUM(debt.open_orders) AS open_orders,
  SUM(debt.advance) AS advance
FROM debt
LEFT JOIN known_customer AS head ON head.customer_id = debt.account_id
GROUP BY debt.account_id, debt.entity
ORDER BY debt.account_id, debt.entity
