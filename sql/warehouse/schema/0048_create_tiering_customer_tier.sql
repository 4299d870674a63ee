-- tiering.customer_tier: the current tier.
CREATE TABLE tiering.customer_tier (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy',
  tier TEXT NOT NULL COMMENT 'Tier in force',
  tier_rank INTEGER NOT NULL COMMENT '1 = best',
  computed_tier TEXT NOT NULL COMMENT 'Tier by the rules alone',
  status TEXT NOT NULL COMMENT 'overridden, pending, held, provisional or final: the first that applies',
  score DECIMAL(38, 18) COMMENT 'Score, where the policy has one',
  since_on DATE NOT NULL COMMENT 'First day of the tier in force',
  as_of DATE NOT NULL COMMENT 'Latest published day',
  next_review_on DATE NOT NULL COMMENT 'Next day the policy looks at',
  completeness DECIMAL(5, 4) NOT NULL COMMENT 'Share of the indicators that were known, 0 to 1',
  policy_version TEXT NOT NULL COMMENT 'Version of the policy',
  run_id TEXT NOT NULL COMMENT 'Run of the latest published day'
) COMMENT 'One row per policy and tiered customer'
