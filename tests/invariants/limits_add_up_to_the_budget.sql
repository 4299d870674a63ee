-- Days on which limits and what was left are not the budget, or the rows of a day do not add up to its total: one row each.
WITH decided AS (
  SELECT
    policy_id,
    as_of,
    SUM(limit_amount) AS limit_amount,
    COUNT(*) AS accounts,
    SUM(COALESCE(previous_limit, 0)) AS previous_amount
  FROM tiering.credit_limit
  GROUP BY policy_id, as_of
)
SELECT total.policy_id, total.as_of
FROM tiering.credit_budget AS total
LEFT JOIN decided ON decided.policy_id = total.policy_id AND decided.as_of = total.as_of
WHERE total.class = ''
  AND (
    total.limit_amount <> COALESCE(decided.limit_amount, 0)
    OR total.accounts <> COALESCE(decided.accounts, 0)
    OR total.previous_amount <> COALESCE(decided.previous_amount, 0)
    OR total.limit_amount + total.unallocated_amount <> total.budget_amount
    OR total.previous_amount + total.raised_amount - total.reduced_amount <> total.limit_amount
  )
