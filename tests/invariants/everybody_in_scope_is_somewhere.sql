-- Customers in scope on a published day that are not in exactly one of history and absence: one row each.
-- A policy that publishes classes has neither.
WITH latest AS (
  SELECT run.policy_id, run.as_of, MAX(run.revision) AS revision
  FROM tiering.run AS run
  JOIN tiering.policy_version AS version
    ON version.policy_id = run.policy_id AND version.policy_version = run.policy_version
  WHERE run.status = 'published' AND version.policy_text NOT LIKE '%' || CHR(10) || 'publishes: class%'
  GROUP BY run.policy_id, run.as_of
),
scope AS (
  SELECT decision.policy_id, decision.as_of, decision.customer_id, decision.computed_tier, NULL AS reason
  FROM tiering.decision AS decision
  JOIN latest
    ON latest.policy_id = decision.policy_id AND latest.as_of = decision.as_of AND latest.revision = decision.revision
  UNION ALL
  SELECT exclusion.policy_id, exclusion.as_of, exclusion.customer_id, NULL, exclusion.reason
  FROM tiering.exclusion AS exclusion
  JOIN latest
    ON latest.policy_id = exclusion.policy_id
    AND latest.as_of = exclusion.as_of
    AND latest.revision = exclusion.revision
),
timeline AS (
  SELECT policy_id, customer_id, computed_tier, NULL AS reason, valid_from, valid_to FROM tiering.customer_tier_history
  UNION ALL
  SELECT policy_id, customer_id, NULL, reason, valid_from, valid_to FROM tiering.absence
)
SELECT scope.policy_id, scope.as_of, scope.customer_id
FROM scope
LEFT JOIN timeline
  ON timeline.policy_id = scope.policy_id
  AND timeline.customer_id = scope.customer_id
  AND timeline.valid_from <= scope.as_of
  AND (timeline.valid_to IS NULL OR timeline.valid_to > scope.as_of)
GROUP BY scope.policy_id, scope.as_of, scope.customer_id
HAVING COUNT(*) <> 1
  OR COUNT(timeline.customer_id) <> 1
  OR MAX(scope.computed_tier) IS DISTINCT FROM MAX(timeline.computed_tier)
  OR MAX(scope.reason) IS DISTINCT FROM MAX(timeline.reason)
