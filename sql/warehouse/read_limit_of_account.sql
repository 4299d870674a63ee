-- The limit of an account as the run in force decided it, and the budget behind it: one row, or none.
SELECT
  decided.limit_amount,
  decided.currency,
  decided.reason,
  decided.previous_limit,
  decided.change_reason,
  decided.action,
  decided.exposure,
  decided.headroom,
  decided.over_amount,
  total.budget_amount,
  total.accounts
FROM tiering.credit_limit AS decided
LEFT JOIN tiering.credit_budget AS total
  ON total.policy_id = decided.policy_id AND total.as_of = decided.as_of AND total.class = ''
WHERE decided.policy_id = :policy_id AND decided.as_of = :as_of AND decided.customer_id = :customer_id
