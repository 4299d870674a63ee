-- Accounts that stand elsewhere than they were found on inputs to be trusted, overridden ones left aside: one row each.
SELECT
  state.customer_id,
  {% include 'warehouse/standing.jinja' %},
  decision.account_manager_id
FROM tiering.movement_state AS state
JOIN tiering.customer_tier AS standing
  ON standing.policy_id = state.policy_id AND standing.customer_id = state.customer_id AND standing.status <> 'overridden'
LEFT JOIN tiering.decision AS decision
  ON decision.policy_id = state.policy_id AND decision.as_of = :as_of AND decision.revision = :revision
  AND decision.customer_id = state.customer_id
WHERE state.policy_id = :policy_id
  AND state.valid_to IS NULL
  AND state.tier <> state.computed_tier
  AND decision.held_because IS NULL
