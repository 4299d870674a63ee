-- Where an account stands under movement rules on a day, before overrides: one row, or none where no rule remembers.
SELECT
  tier, computed_tier, status, reason, found_status, since_on, period_from, periods, found, found_since, asked_tier
FROM tiering.movement_state
WHERE policy_id = :policy_id AND customer_id = :customer_id
  AND valid_from <= :day AND (valid_to IS NULL OR valid_to > :day)
