-- Standing change rows from a day on: one row per account and day.
SELECT customer_id, as_of, from_tier, to_tier, direction, cause, drivers
FROM tiering.tier_change
WHERE policy_id = :policy_id AND as_of >= :as_of AND superseded_at IS NULL
