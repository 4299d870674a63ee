-- From which tier to which customers went on a published day: one row per pair; empty: no tier.
WITH earlier AS (
  SELECT customer_id, tier
  FROM tiering.customer_tier_history
  WHERE policy_id = :policy_id
    AND valid_from < :as_of
    AND (valid_to IS NULL OR valid_to >= :as_of)
),
present AS (
  SELECT customer_id, tier
  FROM tiering.customer_tier_history
  WHERE policy_id = :policy_id
    AND valid_from <= :as_of
    AND (valid_to IS NULL OR valid_to > :as_of)
)
SELECT earlier.tier AS from_tier, present.tier AS to_tier, COUNT(*) AS customers
FROM earlier
FULL OUTER JOIN present ON present.customer_id = earlier.customer_id
GROUP BY earlier.tier, present.tier
