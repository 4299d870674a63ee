-- Visit plans that stand twice, are of no whole month, or count visits that are no contacts: one row each.
SELECT policy_id, tier, period_start
FROM tiering.visit_plan
GROUP BY policy_id, tier, period_start, account_manager_id
HAVING COUNT(*) > 1
UNION ALL
SELECT policy_id, tier, period_start
FROM tiering.visit_plan
WHERE visits > made
  OR planned < 0
  OR customers < 1
  OR DAY(period_start) <> 1
  OR period_end <> LAST_DAY(period_start)
  OR as_of < period_end
