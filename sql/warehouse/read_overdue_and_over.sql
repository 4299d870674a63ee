-- Follow-ups that are overdue, and accounts over a limit: one row per policy, account manager and region that has any.
WITH due AS (
  SELECT policy_id, account_manager_id, customer_id, 1 AS overdue, 0 AS over_limit
  FROM tiering.follow_up
  WHERE overdue_days > 0
  UNION ALL
  SELECT DISTINCT policy_id, account_manager_id, customer_id, 0, 1
  FROM tiering.credit_exposure
  WHERE over_amount > 0 AND (entity = '' OR limited_by = 'entity')
)
SELECT
  due.policy_id,
  due.account_manager_id,
  customer.region,
  CAST(SUM(due.overdue) AS BIGINT) AS overdue,
  CAST(SUM(due.over_limit) AS BIGINT) AS over_limit
FROM due
LEFT JOIN {% include 'warehouse/latest_customer.jinja' %} AS customer ON customer.customer_id = due.customer_id
GROUP BY due.policy_id, due.account_manager_id, customer.region
