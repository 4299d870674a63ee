-- tiering.score_component: why: the indicators behind every decision; append-only.
CREATE TABLE tiering.score_component (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  as_of DATE NOT NULL COMMENT 'Business day',
  revision INTEGER NOT NULL COMMENT 'Revision of the run',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy: customer, bill-to account or group',
  indicator TEXT NOT NULL COMMENT 'Indicator of the policy',
  value DECIMAL(38, 18) COMMENT 'Value of a number, in its unit; flags are 0 or 1',
  value_text TEXT COMMENT 'Value of an indicator that is not a number',
  level TEXT COMMENT 'Level or digit the value was given',
  points DECIMAL(38, 18) COMMENT 'Points the value was given',
  weight DECIMAL(18, 8) COMMENT 'Weight of the indicator',
  contribution DECIMAL(38, 18) COMMENT 'Points times weight',
  is_missing BOOLEAN NOT NULL COMMENT 'Whether the value is undefined',
  evidence_on DATE COMMENT 'Day of the evidence behind the value'
) COMMENT 'One row per policy, as_of, revision, customer and indicator'
