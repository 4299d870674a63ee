-- What the tiers of a day achieved: one row per tier, from the best, and measure.
SELECT
  effect.tier,
  effect.measure,
  effect.customers,
  effect.before,
  effect.after,
  effect.change,
  effect.change_rate
FROM tiering.tier_effect AS effect
LEFT JOIN tiering.tier_definition AS definition
  ON definition.policy_id = effect.policy_id
  AND definition.policy_version = :policy_version
  AND definition.tier = effect.tier
WHERE effect.policy_id = :policy_id AND effect.as_of = :as_of
ORDER BY definition.tier_rank NULLS LAST, effect.tier COLLATE "C", effect.measure COLLATE "C"
