-- Limits that a run decided, in total: one row per account manager and action.
SELECT
  account_manager_id,
  action,
  COUNT(*) AS accounts,
  SUM(limit_amount) AS limit_amount,
  SUM(COALESCE(previous_limit, 0)) AS previous_amount,
  SUM(CASE WHEN limit_amount > COALESCE(previous_limit, 0) THEN limit_amount - COALESCE(previous_limit, 0) ELSE 0 END)
    AS raised_amount,
  SUM(CASE WHEN limit_amount < previous_limit THEN previous_limit - limit_amount ELSE 0 END) AS reduced_amount,
  SUM(
    CASE WHEN limit_amount < previous_limit AND change_reason = 'tier_down' THEN previous_limit - limit_amount ELSE 0 END
  ) AS squeezed_amount
FROM tiering.credit_limit
WHERE policy_id = :policy_id AND as_of = :as_of AND run_id = :run_id
GROUP BY account_manager_id, action
