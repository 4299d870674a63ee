-- The largest invoice of every account up to a day, without tax: one row per account that has any.
SELECT
  sales_order.account_id
  {% for window in windows %}
  , MAX(sales_order.net_sales__{{ window }}) AS net_sales__{{ window }}
  {% endfor %}
FROM (
  SELECT
    sales_line.account_id,
    sales_line.document_id
    {% for window in windows %}
    , SUM(CASE WHEN sales_line.sold_on > :start_{{ window }} THEN sales_line.net_amount END) AS net_sales__{{ window }}
    {% endfor %}
  FROM sales_line
  WHERE sales_line.is_purchase
  GROUP BY sales_line.account_id, sales_line.document_id
) AS sales_order
GROUP BY sales_order.account_id
