-- Live change rows without drivers, in the wrong direction, or of a day on which the tier did not move: one row each.
WITH timeline AS (
  SELECT policy_id, customer_id, tier, valid_from, valid_to FROM tiering.customer_tier_history
  UNION ALL
  SELECT policy_id, customer_id, NULL, valid_from, valid_to FROM tiering.absence
)
SELECT change.policy_id, change.customer_id, change.as_of
FROM tiering.tier_change AS change
LEFT JOIN timeline AS before ON before.policy_id = change.policy_id AND before.customer_id = change.customer_id
  AND before.valid_to = change.as_of
LEFT JOIN timeline AS since ON since.policy_id = change.policy_id AND since.customer_id = change.customer_id
  AND since.valid_from = change.as_of
LEFT JOIN tiering.run AS run ON run.run_id = change.run_id AND run.status = 'published'
WHERE change.superseded_at IS NULL
  AND (
    since.customer_id IS NULL
    OR run.run_id IS NULL
    OR before.tier IS DISTINCT FROM change.from_tier
    OR since.tier IS DISTINCT FROM change.to_tier
    OR change.from_tier IS NOT DISTINCT FROM change.to_tier
    OR (change.drivers IN ('', '[]') AND change.cause = 'measures')
    OR change.direction <> CASE
      WHEN change.from_tier IS NULL THEN 'new'
      WHEN change.to_tier IS NULL THEN 'left'
      WHEN change.direction = 'up' THEN 'up'
      ELSE 'down'
    END
  )
