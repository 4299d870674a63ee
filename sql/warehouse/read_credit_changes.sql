-- Limits of a run that are not what they were, or that somebody has to act upon: one row per account.
SELECT
  decided.customer_id,
  customer.name AS customer_name,
  decided.account_manager_id,
  decided.class AS tier,
  decided.limit_amount,
  decided.previous_limit,
  decided.change_reason,
  decided.action,
  decided.over_amount
FROM tiering.credit_limit AS decided
LEFT JOIN {% include 'warehouse/latest_customer.jinja' %} AS customer ON customer.customer_id = decided.customer_id
WHERE decided.policy_id = :policy_id AND decided.as_of = :as_of AND decided.run_id = :run_id
  AND (decided.limit_amount IS DISTINCT FROM decided.previous_limit OR decided.action IN ('stop', 'reduce'))
ORDER BY decided.customer_id
