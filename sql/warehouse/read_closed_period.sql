-- The closing in force for a policy: its own or that of all policies, whichever reaches further; one row, or none.
SELECT closed.closed_through, closed.closed_by, closed.reason
FROM tiering.closed_period AS closed
WHERE (closed.policy_id = :policy_id OR closed.policy_id IS NULL)
  AND NOT EXISTS (
    SELECT 1
    FROM tiering.closed_period AS newer
    WHERE newer.policy_id IS NOT DISTINCT FROM closed.policy_id AND newer.closed_at > closed.closed_at
  )
ORDER BY closed.closed_through DESC
LIMIT 1
