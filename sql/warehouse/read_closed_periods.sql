-- The newest closing of every policy, and of all policies together: one row each, that of all policies first.
SELECT closed.policy_id, closed.closed_through, closed.closed_by, closed.reason, closed.closed_at
FROM tiering.closed_period AS closed
WHERE NOT EXISTS (
  SELECT 1
  FROM tiering.closed_period AS newer
  WHERE newer.policy_id IS NOT DISTINCT FROM closed.policy_id AND newer.closed_at > closed.closed_at
)
ORDER BY closed.policy_id NULLS FIRST
