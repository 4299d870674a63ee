-- Open items of every account as of a day, in the reporting currency: one row per account that was ever billed.
-- `aged_n_days` is the due day of what is n days past due. Days are compared with columns alone, so that a replay can tell whom a new day touches.
{% macro open(condition) %}SUM(CASE WHEN {{ condition }} THEN open_item.open_amount_reporting END){% endmacro %}
{% macro aged(low, high) -%}
{{ open("NOT open_item.is_disputed AND open_item.due_on >= " ~ low ~ " AND open_item.due_on < " ~ high) }}
{%- endmacro %}
{% set overdue = "open_item.open_amount > 0 AND open_item.due_on < :as_of AND NOT open_item.is_disputed" %}
SELECT
  open_item.account_id,
  SUM(open_item.open_amount_reporting) AS balance,
  {{ open(overdue) }} AS overdue_amount,
  MIN(CASE WHEN {{ overdue }} THEN open_item.due_on END) AS oldest_due_on,
  {{ open("open_item.is_disputed") }} AS disputed_amount,
  {{ open("NOT open_item.is_disputed AND open_item.due_on >= :as_of") }} AS ageing_current,
  {{ aged(":aged_30_days", ":as_of") }} AS ageing_1_30,
  {{ aged(":aged_60_days", ":aged_30_days") }} AS ageing_31_60,
  {{ aged(":aged_90_days", ":aged_60_days") }} AS ageing_61_90,
  {{ open("NOT open_item.is_disputed AND open_item.due_on < :aged_90_days") }} AS ageing_over_90
  {% for window in windows %}
  {% set due = "open_item.due_on > :start_" ~ window ~ " AND open_item.due_on <= :as_of" %}
  , SUM(CASE WHEN {{ due }} THEN open_item.gross_amount_reporting END) AS due__{{ window }}
  , SUM(
    CASE WHEN {{ due }} THEN open_item.gross_amount_reporting - open_item.open_amount_reporting END
  ) AS settled__{{ window }}
  {% endfor %}
FROM open_item
GROUP BY open_item.account_id
