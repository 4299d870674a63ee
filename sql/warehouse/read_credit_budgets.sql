-- What a run made of a budget of credit: one row per tier, and one for all accounts, whose tier is empty.
SELECT
  class AS tier,
  accounts,
  limit_amount,
  previous_amount,
  raised_amount,
  reduced_amount,
  squeezed_amount,
  budget_amount,
  unallocated_amount,
  reason
FROM tiering.credit_budget
WHERE policy_id = :policy_id AND as_of = :as_of AND run_id = :run_id
