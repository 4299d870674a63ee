-- tiering.tier_change: moves of the published tier.
CREATE TABLE tiering.tier_change (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  as_of DATE NOT NULL COMMENT 'Business day',
  revision INTEGER NOT NULL COMMENT 'Revision of the run',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy: customer, bill-to account or group',
  from_tier TEXT COMMENT 'Tier before; empty: none',
  to_tier TEXT COMMENT 'Tier after; empty: none',
  direction TEXT NOT NULL COMMENT 'new, up, down or left',
  cause TEXT NOT NULL COMMENT 'measures, policy, override, review, correction or movement',
  drivers TEXT NOT NULL COMMENT 'Smallest set of indicators that, put back, puts the tier back: JSON list of indicator, before, after',
  account_manager_id TEXT COMMENT 'Account manager on that day',
  run_id TEXT NOT NULL COMMENT 'Run',
  recorded_at TIMESTAMPTZ NOT NULL COMMENT 'Instant of recording',
  superseded_at TIMESTAMPTZ COMMENT 'Instant at which a later publication withdrew the row; empty: it stands'
) COMMENT 'One row per policy, customer, as_of and revision at which the published tier moved'
