-- When the relationship with those began whose tier on a day is provisional: one row per account.
-- The day it was opened, or else the day of the first sale.
WITH {% include 'measures/accounts_of_day.jinja' %},
population AS (
  {% include 'measures/population.sql' %}
),
sales_line AS (
  {% include 'measures/sales_line.sql' %}
),
sold AS (
  SELECT account_id, MIN(CASE WHEN is_purchase THEN sold_on END) AS first_sold_on
  FROM sales_line
  GROUP BY account_id
)
SELECT
  population.account_id AS customer_id,
  COALESCE(population.first_opened_on, sold.first_sold_on) AS began_on
FROM population
JOIN tiering.customer_tier_history AS spell
  ON spell.policy_id = :policy_id AND spell.customer_id = population.account_id AND spell.status = 'provisional'
  AND spell.valid_from <= :as_of AND (spell.valid_to IS NULL OR spell.valid_to > :as_of)
LEFT JOIN sold ON sold.account_id = population.account_id
