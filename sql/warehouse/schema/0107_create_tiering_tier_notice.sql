-- tiering.tier_notice: tiers that will go down.
CREATE TABLE tiering.tier_notice (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy',
  tier TEXT NOT NULL COMMENT 'Tier in force',
  to_tier TEXT NOT NULL COMMENT 'Tier that comes, should the findings stay as they are',
  falls_on DATE NOT NULL COMMENT 'Day on which it comes',
  found_since DATE COMMENT 'Day since which a lower tier is found',
  account_manager_id TEXT COMMENT 'Account manager',
  as_of DATE NOT NULL COMMENT 'Latest published day',
  run_id TEXT NOT NULL COMMENT 'Run of that day'
) COMMENT 'One row per policy and customer whose tier will go down within the notice of the policy'
