-- The visit plan of the latest month that was counted: one row per policy, tier and account manager.
SELECT policy_id, tier, account_manager_id, period_start, period_end, customers, planned, made, visits
FROM tiering.visit_plan
WHERE period_start = (SELECT MAX(period_start) FROM tiering.visit_plan)
ORDER BY policy_id, tier, account_manager_id
