-- Customers with a tier on a published day: one row per account manager and region that the source says of the customers.
-- `measured_run_id`: the run that says whose they are: on a day of people's decisions, the run before.
WITH owned AS (
  SELECT customer_id, account_manager_id
  FROM tiering.decision
  WHERE run_id = :measured_run_id
  UNION ALL
  SELECT customer_id, account_manager_id
  FROM tiering.exclusion
  WHERE run_id = :measured_run_id
)
SELECT owned.account_manager_id, customer.region, COUNT(*) AS customers
FROM tiering.customer_tier_history AS spell
JOIN owned ON owned.customer_id = spell.customer_id
LEFT JOIN {% include 'warehouse/latest_customer.jinja' %} AS customer ON customer.customer_id = spell.customer_id
WHERE spell.policy_id = :policy_id
  AND spell.valid_from <= :as_of
  AND (spell.valid_to IS NULL OR spell.valid_to > :as_of)
GROUP BY owned.account_manager_id, customer.region
