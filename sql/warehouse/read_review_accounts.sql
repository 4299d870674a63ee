-- What a review looks at, as of a day: one row per account in scope. Money in the reporting currency.
-- Sales of the last twelve months, of the twelve before, and in how many calendar months of the last ones it bought.
WITH {% include 'measures/accounts_of_day.jinja' %},
population AS (
  {% include 'measures/population.sql' %}
),
sales_line AS (
  {% include 'measures/sales_line.sql' %}
),
{% include 'measures/open_items_of_day.jinja' %},
sold AS (
  SELECT
    account_id,
    MIN(CASE WHEN is_purchase THEN sold_on END) AS first_sold_on,
    SUM(CASE WHEN sold_on > :year_start THEN net_amount END) AS sales_now,
    SUM(CASE WHEN sold_on > :before_start AND sold_on <= :year_start THEN net_amount END) AS sales_before,
    COUNT(DISTINCT CASE WHEN is_purchase AND sold_on > :year_start THEN YEAR(sold_on) * 12 + MONTH(sold_on) END) AS months_bought
  FROM sales_line
  GROUP BY account_id
),
debt AS (
  SELECT
    account_id,
    SUM(open_amount_reporting) AS balance,
    SUM(
      CASE WHEN open_amount > 0 AND due_on < :as_of AND NOT is_disputed THEN open_amount_reporting END
    ) AS overdue_amount,
    MAX(
      CASE WHEN open_amount > 0 AND due_on < :as_of AND NOT is_disputed THEN date_diff('day', due_on, CAST(:as_of AS DATE)) END
    ) AS overdue_days
  FROM open_item
  GROUP BY account_id
),
named AS (
  SELECT
    customer_id,
    name,
    ROW_NUMBER() OVER (
      PARTITION BY customer_id
      ORDER BY
        CASE WHEN holds_from <= :as_of THEN 0 ELSE 1 END,
        CASE WHEN holds_from <= :as_of THEN holds_from END DESC NULLS LAST,
        holds_from
    ) AS nth
  FROM facts.customers
  WHERE batch_no <= :facts_batch_no AND (superseded_in IS NULL OR superseded_in > :facts_batch_no)
),
stated AS (
  {% include 'measures/attributes.sql' %}
)
SELECT
  population.account_id AS customer_id,
  named.name,
  manager.name AS manager,
  COALESCE(population.first_opened_on, sold.first_sold_on) AS began_on,
  stated.value_special_policy AS special_policy,
  stated.value_special_settlement AS special_settlement,
  COALESCE(sold.sales_now, 0) AS sales_now,
  COALESCE(sold.sales_before, 0) AS sales_before,
  COALESCE(sold.months_bought, 0) AS months_bought,
  COALESCE(debt.balance, 0) AS balance,
  COALESCE(debt.overdue_amount, 0) AS overdue_amount,
  debt.overdue_days
FROM population
LEFT JOIN named ON named.customer_id = population.customer_id AND named.nth = 1
LEFT JOIN stated ON stated.customer_id = population.customer_id
LEFT JOIN facts.account_managers AS manager
  ON manager.account_manager_id = population.account_manager_id AND manager.superseded_in IS NULL
LEFT JOIN sold ON sold.account_id = population.account_id
LEFT JOIN debt ON debt.account_id = population.account_id
ORDER BY population.account_id
