-- Managers with more customers of a tier than one can look after: one row per tier and account manager.
SELECT
  current.tier,
  decision.account_manager_id,
  definition.span_of_control,
  COUNT(*) AS customers
FROM tiering.customer_tier AS current
JOIN tiering.tier_definition AS definition
  ON definition.policy_id = current.policy_id AND definition.policy_version = current.policy_version
  AND definition.tier = current.tier
JOIN tiering.decision AS decision
  ON decision.policy_id = current.policy_id AND decision.as_of = current.as_of
  AND decision.run_id = current.run_id AND decision.customer_id = current.customer_id
WHERE current.policy_id = :policy_id AND definition.span_of_control IS NOT NULL
GROUP BY current.tier, definition.tier_rank, decision.account_manager_id, definition.span_of_control
HAVING COUNT(*) > definition.span_of_control
ORDER BY definition.tier_rank, decision.account_manager_id
