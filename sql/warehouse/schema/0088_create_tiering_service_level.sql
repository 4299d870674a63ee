-- tiering.service_level: whether service levels are kept.
CREATE TABLE tiering.service_level (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  tier TEXT NOT NULL COMMENT 'Tier the customer had when the event was opened; events of customers who had none do not count',
  target TEXT NOT NULL COMMENT 'answered: within so many seconds; replied: closed within so many days',
  period_start DATE NOT NULL COMMENT 'First day of the month',
  period_end DATE NOT NULL COMMENT 'Last day whose events count: the end of the month, or as_of within it',
  within BIGINT NOT NULL COMMENT 'Seconds (answered) or days (replied; 1: closed on its day or the next)',
  target_share DECIMAL(5, 4) NOT NULL COMMENT 'Share promised',
  attained_share DECIMAL(5, 4) COMMENT 'Share attained, cut off after four digits; empty: no events',
  events BIGINT NOT NULL COMMENT 'Events that count. answered: those that say after how many seconds, and calls that nobody answered, which are missed. replied: all but answered calls; those that are open and still have time do not count',
  as_of DATE NOT NULL COMMENT 'Day the level was counted on; what was answered or closed later is not known',
  PRIMARY KEY (policy_id, tier, target, period_start)
) COMMENT 'One row per policy, tier, target and month; the month before is counted again every day'
