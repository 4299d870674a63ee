-- The standing moves of an account on the days between a run and a day, on which people's decisions took effect.
SELECT as_of, from_tier, to_tier, direction, cause, drivers
FROM tiering.tier_change
WHERE policy_id = :policy_id AND customer_id = :customer_id AND superseded_at IS NULL
  AND as_of > :as_of AND as_of <= :asked_on AND revision = 0
ORDER BY as_of
