-- Callers that stand twice, before somebody with a better priority, or before the blacklist while on it: one row each.
SELECT policy_id, customer_id
FROM tiering.queue_priority
GROUP BY policy_id, customer_id
HAVING COUNT(*) > 1
UNION ALL
SELECT caller.policy_id, caller.customer_id
FROM tiering.queue_priority AS caller
JOIN (
  SELECT policy_id, MAX(CASE WHEN NOT is_blacklisted THEN queue_position END) AS last_position
  FROM tiering.queue_priority
  GROUP BY policy_id
) AS others ON others.policy_id = caller.policy_id
WHERE (caller.is_blacklisted AND caller.queue_position <= others.last_position)
  OR (NOT caller.is_blacklisted AND caller.queue_position < COALESCE(caller.queue_priority, caller.queue_position))
  OR (NOT caller.is_blacklisted AND caller.queue_position > caller.queue_priority)
  OR (caller.tier IS NULL AND NOT caller.is_blacklisted)
  OR caller.published_on > caller.as_of
