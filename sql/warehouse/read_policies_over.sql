-- The policies whose limits are exceeded, as they ran: one row per policy.
WITH held AS (
  SELECT DISTINCT policy_id, decided_on
  FROM tiering.credit_exposure
  WHERE over_amount > 0
)
SELECT held.policy_id, version.policy_text
FROM held
JOIN tiering.credit_budget AS budget
  ON budget.policy_id = held.policy_id AND budget.as_of = held.decided_on AND budget.class = ''
JOIN tiering.run AS run ON run.run_id = budget.run_id
JOIN tiering.policy_version AS version
  ON version.policy_id = run.policy_id AND version.policy_version = run.policy_version
