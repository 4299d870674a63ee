-- Every measure as of a day: one row per account in scope. Only the columns a policy asks for are computed.
-- The comment behind a measure is its documentation: unit | meaning | when it is undefined | catalogue id.
{% macro ratio(above, below) -%}
CASE WHEN {{ below }} > 0 THEN
  (CAST({{ above }} * 10000 AS HUGEINT) * 1000000000000000000) // CAST({{ below }} * 10000 AS HUGEINT)
  * CAST(0.000000000000000001 AS DECIMAL(38, 18))
END
{%- endmacro %}
WITH known_customer AS (
  {% include 'measures/known_customer.sql' %}
),
account AS (
  {% include 'measures/accounts.sql' %}
),
population AS (
  {% include 'measures/population.sql' %}
),
sales AS (
  {% include 'measures/sales.sql' %}
),
payments AS (
  {% include 'measures/payments.sql' %}
)
SELECT
  population.account_id,
  population.account_manager_id,
  {% for window in windows %}
  COALESCE(sales.net_sales__{{ window }}, 0) AS net_sales__{{ window }}, /* money | Sales without tax, credit notes subtracted, reporting currency | never | S22 */
  CASE
    WHEN COALESCE(sales.line_count__{{ window }}, 0) = 0 THEN 0 ELSE sales.gross_sales__{{ window }}
  END AS gross_sales__{{ window }}, /* money | Sales with tax, credit notes subtracted, reporting currency | a line has neither tax nor a VAT rate of its year | S60 */
  COALESCE(sales.order_count__{{ window }}, 0) AS order_count__{{ window }}, /* count | Invoices, credit notes not counted | never | S10 */
  date_diff('day', sales.last_sold_on__{{ window }}, CAST(:as_of AS DATE)) AS recency_days__{{ window }}, /* days | Whole days from the last invoice to as_of | no invoice in the window | S10 */
  COALESCE(payments.received__{{ window }}, 0) AS received__{{ window }}, /* money | Money received: cash sales, collections and prepayments, refunds subtracted | never | S60 */
  {{ ratio("COALESCE(payments.received__" ~ window ~ ", 0)", "sales.gross_sales__" ~ window) }} AS collection_rate_gross__{{ window }}, /* ratio | Money received divided by sales with tax, cut off after 18 digits | nothing billed, or sales with tax undefined | S60 */
  {{ ratio("COALESCE(payments.received__" ~ window ~ ", 0)", "sales.net_sales__" ~ window) }} AS collection_rate_net__{{ window }}{{ "," if not loop.last }} /* ratio | Money received divided by sales without tax, cut off after 18 digits | nothing billed | S60 */
  {% endfor %}
FROM population
LEFT JOIN sales ON sales.account_id = population.account_id
LEFT JOIN payments ON payments.account_id = population.account_id
