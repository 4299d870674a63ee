-- tiering.told_notice: tiers that will go down and that a mail has told.
CREATE TABLE tiering.told_notice (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy',
  account_manager_id TEXT COMMENT 'Account manager who was told; empty: nobody, so that the fallback was',
  tier TEXT NOT NULL COMMENT 'Tier in force',
  to_tier TEXT NOT NULL COMMENT 'Tier that comes',
  falls_on DATE NOT NULL COMMENT 'Day on which it comes',
  digest_id TEXT NOT NULL COMMENT 'Digest that told it'
) COMMENT 'One row per notice of tiering.tier_notice that was told; one that stays the same is not told again'
