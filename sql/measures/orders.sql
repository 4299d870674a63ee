-- Invoices of every account up to a day, their lines in a window added: one row per account that has any.
SELECT
  sales_order.account_id
  {% for window in windows %}
  , COUNT(CASE WHEN sales_order.lines__{{ window }} > 0 THEN sales_order.document_id END) AS order_count__{{ window }}
  , MAX(sales_order.net_sales__{{ window }}) AS largest_order__{{ window }}
  {% endfor %}
FROM (
  SELECT
    sales_line.account_id,
    sales_line.document_id
    {% for window in windows %}
    {% set inside = "sales_line.sold_on > :start_" ~ window %}
    , COUNT(CASE WHEN {{ inside }} THEN 1 END) AS lines__{{ window }}
    , SUM(CASE WHEN {{ inside }} THEN sales_line.net_amount END) AS net_sales__{{ window }}
    {% endfor %}
  FROM sales_line
  WHERE sales_line.is_purchase
  GROUP BY sales_line.account_id, sales_line.document_id
) AS sales_order
GROUP BY sales_order.account_id
