-- What is open on the latest day, by how long it is overdue: one row per account manager and currency.
-- The account managers are those of the present.
SELECT
  position.as_of,
  customer.account_manager_id,
  position.currency,
  SUM(position.ageing_current) AS ageing_current,
  SUM(position.ageing_1_30) AS ageing_1_30,
  SUM(position.ageing_31_60) AS ageing_31_60,
  SUM(position.ageing_61_90) AS ageing_61_90,
  SUM(position.ageing_over_90) AS ageing_over_90,
  SUM(position.disputed_amount) AS disputed_amount
FROM tiering.receivable_position AS position
LEFT JOIN {% include 'warehouse/latest_customer.jinja' %} AS customer ON customer.customer_id = position.customer_id
WHERE position.as_of = (SELECT MAX(as_of) FROM tiering.receivable_position)
GROUP BY position.as_of, customer.account_manager_id, position.currency
ORDER BY position.currency
