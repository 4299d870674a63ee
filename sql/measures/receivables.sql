-- Open items of every account as of a day, in the reporting currency: one row per account that was ever billed.
{% from 'measures/calendar.jinja' import days_between, today %}
{% set days = days_between('open_item.due_on', today) %}
{% set undisputed = "NOT open_item.is_disputed" %}
{% set overdue = "open_item.open_amount > 0 AND open_item.due_on < :as_of AND " ~ undisputed %}
SELECT
  open_item.account_id,
  SUM(open_item.open_amount_reporting) AS balance,
  SUM(CASE WHEN {{ overdue }} THEN open_item.open_amount_reporting END) AS overdue_amount,
  MAX(CASE WHEN {{ overdue }} THEN {{ days }} END) AS overdue_days,
  SUM(CASE WHEN open_item.is_disputed THEN open_item.open_amount_reporting END) AS disputed_amount,
  SUM(CASE WHEN {{ undisputed }} AND {{ days }} <= 0 THEN open_item.open_amount_reporting END) AS ageing_current,
  SUM(CASE WHEN {{ undisputed }} AND {{ days }} BETWEEN 1 AND 30 THEN open_item.open_amount_reporting END) AS ageing_1_30,
  SUM(CASE WHEN {{ undisputed }} AND {{ days }} BETWEEN 31 AND 60 THEN open_item.open_amount_reporting END) AS ageing_31_60,
  SUM(CASE WHEN {{ undisputed }} AND {{ days }} BETWEEN 61 AND 90 THEN open_item.open_amount_reporting END) AS ageing_61_90,
  SUM(CASE WHEN {{ undisputed }} AND {{ days }} > 90 THEN open_item.open_amount_reporting END) AS ageing_over_90
  {% for window in windows %}
  {% set due = "open_item.due_on > :start_" ~ window ~ " AND open_item.due_on <= :as_of" %}
  , SUM(CASE WHEN {{ due }} THEN open_item.gross_amount_reporting END) AS due__{{ window }}
  , SUM(
    CASE WHEN {{ due }} THEN open_item.gross_amount_reporting - open_item.open_amount_reporting END
  ) AS settled__{{ window }}
  {% endfor %}
FROM open_item
GROUP BY open_item.account_id
