-- work.component: indicators of runs that are not published yet.
CREATE TABLE work.component (
  run_id TEXT NOT NULL COMMENT 'Run',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain',
  indicator TEXT NOT NULL COMMENT 'Indicator',
  value DECIMAL(38, 18) COMMENT 'Value of a number',
  value_text TEXT COMMENT 'Value of an indicator that is not a number',
  level TEXT COMMENT 'Level or digit',
  points DECIMAL(38, 18) COMMENT 'Points',
  weight DECIMAL(18, 8) COMMENT 'Weight',
  contribution DECIMAL(38, 18) COMMENT 'Points times weight',
  is_missing BOOLEAN NOT NULL COMMENT 'Whether the value is undefined',
  evidence_on DATE COMMENT 'Day of the evidence'
) COMMENT 'One row per run, customer and indicator'
