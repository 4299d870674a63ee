-- tiering.service_level: whether service levels are kept.
CREATE TABLE tiering.service_level (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  tier TEXT NOT NULL COMMENT 'Tier the customer had when the event was opened',
  target TEXT NOT NULL COMMENT 'answered: within so many seconds; replied: closed within so many days',
  period_start DATE NOT NULL COMMENT 'First day of the month',
  period_end DATE NOT NULL COMMENT 'Last day that is counted',
  within BIGINT NOT NULL COMMENT 'Seconds (answered) or days (replied)',
  target_share DECIMAL(5, 4) NOT NULL COMMENT 'Share promised',
  attained_share DECIMAL(5, 4) COMMENT 'Share attained, cut off after four digits; empty: no events',
  events BIGINT NOT NULL COMMENT 'Events that count',
  PRIMARY KEY (policy_id, tier, target, period_start)
) COMMENT 'One row per policy, tier, target and month'
