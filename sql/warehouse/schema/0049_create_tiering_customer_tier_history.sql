-- tiering.customer_tier_history: the tiers over time.
CREATE TABLE tiering.customer_tier_history (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy',
  tier TEXT NOT NULL COMMENT 'Tier in force',
  computed_tier TEXT NOT NULL COMMENT 'Tier by the rules alone',
  status TEXT NOT NULL COMMENT 'As in customer_tier',
  valid_from DATE NOT NULL COMMENT 'First day',
  valid_to DATE COMMENT 'Day after the last day; empty: open',
  run_id TEXT NOT NULL COMMENT 'First run of the spell',
  CHECK (valid_to IS NULL OR valid_to > valid_from)
) COMMENT 'One row per policy, customer and spell, half-open'
