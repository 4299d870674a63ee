-- tiering.tier_outlook: what would win or cost a tier.
CREATE TABLE tiering.tier_outlook (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy',
  direction TEXT NOT NULL COMMENT 'up: the change leads to a better tier; down: to a worse one',
  tier TEXT NOT NULL COMMENT 'Tier that the rules find, which need not be the one in force',
  to_tier TEXT NOT NULL COMMENT 'Tier that the rules would find after the change',
  indicator TEXT NOT NULL COMMENT 'Indicator that changes, while all others stay as they are',
  value DECIMAL(38, 18) NOT NULL COMMENT 'Its value',
  needed DECIMAL(38, 18) NOT NULL COMMENT 'The first value behind the line that the indicator can have',
  change DECIMAL(38, 18) NOT NULL COMMENT 'needed less value; below 0 where the indicator must fall',
  relative_change DECIMAL(18, 8) NOT NULL COMMENT 'The size of the change by the larger of the sizes of both values, cut off after eight digits; 1 where the sign changes',
  by_on DATE NOT NULL COMMENT 'Day that the next scheduled run looks at: by then it must be in the data',
  keeps BOOLEAN NOT NULL COMMENT 'Whether the change keeps the tier in force, which is better than the one that the rules find and stands because a rule keeps it',
  account_manager_id TEXT COMMENT 'Account manager',
  as_of DATE NOT NULL COMMENT 'Day of the latest published run',
  run_id TEXT NOT NULL COMMENT 'That run',
  CHECK (direction IN ('up', 'down'))
) COMMENT 'One row per policy, customer near a line and direction: the smallest change of one indicator that crosses it, as of the latest published run. None for a tier set by people, and none while an input is held'
