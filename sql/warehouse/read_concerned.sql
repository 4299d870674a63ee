-- Whom people's decisions concern under a policy, and from which day on: one row per account.
WITH concern AS (
  SELECT customer_id, valid_from AS first_on
  FROM tiering.override
  WHERE policy_id = :policy_id AND approved_by IS NOT NULL
  UNION ALL
  SELECT customer_id, valid_from
  FROM tiering.customer_tier_history
  WHERE policy_id = :policy_id AND status = 'overridden'
  UNION ALL
  SELECT customer_id, as_of
  FROM tiering.grade
  WHERE policy_id = :policy_id AND stage = 'final'
  UNION ALL
  SELECT customer_id, valid_from
  FROM tiering.movement_state
  WHERE policy_id = :policy_id AND status = 'pending'
)
SELECT customer_id, MIN(first_on) AS first_on
FROM concern
GROUP BY customer_id
