-- tiering.movement_state: where customers stand under movement rules, and all that the next step must know.
CREATE TABLE tiering.movement_state (
  policy_id TEXT NOT NULL COMMENT 'Policy that moves tiers by rules or asks before it gives one',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy',
  valid_from DATE NOT NULL COMMENT 'First day',
  valid_to DATE COMMENT 'Day after the last day; empty: open',
  tier TEXT COMMENT 'Tier by rules, movement and review, before overrides; empty: none',
  computed_tier TEXT COMMENT 'Tier by the rules alone',
  status TEXT COMMENT 'pending, held, provisional or final',
  reason TEXT COMMENT 'Why there is no tier',
  found_status TEXT COMMENT 'final or provisional, as it was found',
  since_on DATE COMMENT 'Day on which the tier was reached',
  period_from DATE COMMENT 'Day on which the periods of the tier began',
  periods INTEGER COMMENT 'Periods that have ended since',
  found TEXT COMMENT 'Tiers found in a row on one side of the tier held, the newest last: JSON list',
  found_since DATE COMMENT 'Day of the first of them',
  asked_tier TEXT COMMENT 'Tier that waits for an answer',
  CHECK (valid_to IS NULL OR valid_to > valid_from)
) COMMENT 'One row per policy, customer and interval, half-open; only of policies whose tiers depend on more than the day'
