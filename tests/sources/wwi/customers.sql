-- Customers of Wide World Importers with the salesperson of most of their orders (ties: the lower number): one row per customer.
SELECT
  customer.customer_id,
  customer.customer_name AS name,
  favourite.salesperson_id AS account_manager_id,
  customer.bill_to_customer_id AS bill_to_id,
  customer.customer_category_id AS customer_type,
  customer.account_opened_date AS opened_on,
  'USD' AS currency,
  customer.credit_limit,
  customer.payment_days AS terms_days,
  customer.is_on_credit_hold AS is_blocked
FROM wwi.customers AS customer
LEFT JOIN (
  SELECT
    customer_id,
    salesperson_id,
    ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY COUNT(*) DESC, salesperson_id) AS nth
  FROM wwi.orders
  GROUP BY customer_id, salesperson_id
) AS favourite ON favourite.customer_id = customer.customer_id AND favourite.nth = 1
