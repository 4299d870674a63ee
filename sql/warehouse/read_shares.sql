-- Who holds receivables out of proportion to sales, as a run found it: one row per group of accounts.
SELECT
  account_group,
  accounts,
  sales_amount,
  receivable_amount,
  sales_share,
  receivable_share,
  average_receivable
FROM tiering.concentration
WHERE policy_id = :policy_id AND as_of = :as_of AND run_id = :run_id
ORDER BY account_group
