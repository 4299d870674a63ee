-- Spells and absences that begin or end on a day that was not published: one row each.
WITH bound AS (
  SELECT policy_id, customer_id, valid_from AS day FROM tiering.customer_tier_history
  UNION ALL
  SELECT policy_id, customer_id, valid_to FROM tiering.customer_tier_history WHERE valid_to IS NOT NULL
  UNION ALL
  SELECT policy_id, customer_id, valid_from FROM tiering.absence
  UNION ALL
  SELECT policy_id, customer_id, valid_to FROM tiering.absence WHERE valid_to IS NOT NULL
)
SELECT bound.policy_id, bound.customer_id, bound.day
FROM bound
WHERE NOT EXISTS (
  SELECT 1
  FROM tiering.run AS run
  WHERE run.policy_id = bound.policy_id AND run.as_of = bound.day AND run.status = 'published'
)
