-- The lines near an account as of a day, the way up first: one row per direction.
SELECT direction, tier, to_tier, indicator, value, needed, by_on, keeps
FROM tiering.tier_outlook
WHERE policy_id = :policy_id AND customer_id = :customer_id AND as_of = :as_of
ORDER BY direction DESC
