-- Sales of every account up to a day, credit notes subtracted: one row per account that has any.
{% from 'measures/calendar.jinja' import week_of %}
SELECT
  sales_line.account_id
  {% for window in windows %}
  {% set inside = "sales_line.sold_on > :start_" ~ window %}
  {% set bought = inside ~ " AND sales_line.is_purchase" %}
  , SUM(CASE WHEN {{ inside }} THEN sales_line.net_amount END) AS net_sales__{{ window }}
  , CASE
    WHEN COUNT(CASE WHEN {{ inside }} AND sales_line.gross_amount IS NULL THEN 1 END) = 0
    THEN SUM(CASE WHEN {{ inside }} THEN sales_line.gross_amount END)
  END AS gross_sales__{{ window }}
  , CASE
    WHEN COUNT(CASE WHEN {{ inside }} AND sales_line.cost_amount IS NULL THEN 1 END) = 0
    THEN SUM(CASE WHEN {{ inside }} THEN sales_line.cost_amount END)
  END AS cost__{{ window }}
  , COUNT(CASE WHEN {{ inside }} THEN 1 END) AS line_count__{{ window }}
  , COUNT(DISTINCT CASE WHEN {{ bought }} THEN sales_line.product_id END) AS product_count__{{ window }}
  , COUNT(DISTINCT CASE WHEN {{ bought }} THEN sales_line.sold_on END) AS purchase_days__{{ window }}
  , COUNT(DISTINCT CASE WHEN {{ bought }} THEN {{ week_of('sales_line.sold_on') }} END) AS purchase_weeks__{{ window }}
  , MIN(CASE WHEN {{ bought }} THEN sales_line.sold_on END) AS first_sold_on__{{ window }}
  , MAX(CASE WHEN {{ bought }} THEN sales_line.sold_on END) AS last_sold_on__{{ window }}
  , SUM(
    CASE
      WHEN sales_line.sold_on > :previous_start_{{ window }} AND sales_line.sold_on <= :previous_end_{{ window }}
      THEN sales_line.net_amount
    END
  ) AS sales_before__{{ window }}
  {% endfor %}
FROM sales_line
GROUP BY sales_line.account_id
