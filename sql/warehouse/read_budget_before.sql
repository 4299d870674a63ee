-- The budget of credit that the last run of a policy before a day had: one row, or none.
SELECT budget_amount
FROM tiering.credit_budget
WHERE policy_id = :policy_id AND as_of < :as_of AND class = '' AND budget_amount IS NOT NULL
ORDER BY as_of DESC
LIMIT 1
