-- Boundaries between different tiers (none included) without exactly one live change row that says so: one row each.
WITH timeline AS (
  SELECT policy_id, customer_id, tier, valid_from FROM tiering.customer_tier_history
  UNION ALL
  SELECT policy_id, customer_id, NULL, valid_from FROM tiering.absence
),
boundary AS (
  SELECT
    policy_id,
    customer_id,
    valid_from AS day,
    LAG(tier) OVER (PARTITION BY policy_id, customer_id ORDER BY valid_from) AS from_tier,
    tier AS to_tier
  FROM timeline
)
SELECT boundary.policy_id, boundary.customer_id, boundary.day
FROM boundary
LEFT JOIN tiering.tier_change AS change
  ON change.policy_id = boundary.policy_id
  AND change.customer_id = boundary.customer_id
  AND change.as_of = boundary.day
  AND change.from_tier IS NOT DISTINCT FROM boundary.from_tier
  AND change.to_tier IS NOT DISTINCT FROM boundary.to_tier
  AND change.superseded_at IS NULL
WHERE boundary.from_tier IS DISTINCT FROM boundary.to_tier
GROUP BY boundary.policy_id, boundary.customer_id, boundary.day
HAVING COUNT(change.customer_id) <> 1
