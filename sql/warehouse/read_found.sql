-- What the runs of later published days found: one row per day and account in scope; one of tier and reason is set.
SELECT run.as_of, decision.customer_id, decision.computed_tier, decision.status, CAST(NULL AS TEXT) AS reason
FROM tiering.decision AS decision
JOIN tiering.run AS run ON run.run_id = decision.run_id
WHERE run.policy_id = :policy_id AND run.as_of > :as_of AND run.status = 'published'
  AND NOT EXISTS (
    SELECT 1
    FROM tiering.run AS newer
    WHERE newer.policy_id = run.policy_id AND newer.as_of = run.as_of
      AND newer.status = 'published' AND newer.revision > run.revision
  )
UNION ALL
SELECT run.as_of, exclusion.customer_id, NULL, NULL, exclusion.reason
FROM tiering.exclusion AS exclusion
JOIN tiering.run AS run ON run.run_id = exclusion.run_id
WHERE run.policy_id = :policy_id AND run.as_of > :as_of AND run.status = 'published'
  AND NOT EXISTS (
    SELECT 1
    FROM tiering.run AS newer
    WHERE newer.policy_id = run.policy_id AND newer.as_of = run.as_of
      AND newer.status = 'published' AND newer.revision > run.revision
  )
