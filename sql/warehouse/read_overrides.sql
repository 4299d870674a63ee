-- Overrides of a policy that have an effect and reach a day or begin after it: one row each.
-- What was recorded after a period was closed has no effect that begins in it.
SELECT override.customer_id, override.tier, override.valid_from, override.valid_to
FROM tiering.override AS override
WHERE override.policy_id = :policy_id
  AND override.approved_by IS NOT NULL
  AND override.superseded_at IS NULL
  AND (override.valid_to IS NULL OR override.valid_to >= :from_day)
  AND NOT EXISTS (
    SELECT 1
    FROM tiering.closed_period AS closed
    WHERE (closed.policy_id = override.policy_id OR closed.policy_id IS NULL)
      AND closed.closed_through >= override.valid_from
      AND closed.closed_at < override.recorded_at
      AND NOT EXISTS (
        SELECT 1
        FROM tiering.closed_period AS newer
        WHERE newer.policy_id IS NOT DISTINCT FROM closed.policy_id AND newer.closed_at > closed.closed_at
      )
  )
