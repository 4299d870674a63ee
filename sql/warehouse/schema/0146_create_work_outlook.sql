-- work.outlook: lines near the customers of runs: staged, and kept of the latest published run of a policy.
CREATE TABLE work.outlook (
  run_id TEXT NOT NULL COMMENT 'Run',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain',
  direction TEXT NOT NULL COMMENT 'up or down',
  tier TEXT NOT NULL COMMENT 'Tier that the rules find',
  to_tier TEXT NOT NULL COMMENT 'Tier that they would find',
  indicator TEXT NOT NULL COMMENT 'Indicator that changes',
  value DECIMAL(38, 18) NOT NULL COMMENT 'Its value',
  needed DECIMAL(38, 18) NOT NULL COMMENT 'The first value behind the line',
  change DECIMAL(38, 18) NOT NULL COMMENT 'needed less value',
  relative_change DECIMAL(18, 8) NOT NULL COMMENT 'The size of the change by the larger of the sizes of both values'
) COMMENT 'One row per run, customer near a line and direction'
