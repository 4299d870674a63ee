-- What every account bought on its first purchase day in a window, credit notes of that day subtracted: one row per account.
SELECT
  sales_line.account_id
  {% for window in windows %}
  , SUM(CASE WHEN sales_line.sold_on = sales.first_sold_on__{{ window }} THEN sales_line.net_amount END) AS net_sales__{{ window }}
  {% endfor %}
FROM sales_line
JOIN sales ON sales.account_id = sales_line.account_id
GROUP BY sales_line.account_id
