-- The standing move of one account on a day: one row, or none.
SELECT from_tier, to_tier, direction, cause, drivers
FROM tiering.tier_change
WHERE policy_id = :policy_id AND customer_id = :customer_id AND as_of = :as_of AND superseded_at IS NULL
