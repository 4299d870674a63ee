-- work.decided: decisions of runs that are not published yet.
CREATE TABLE work.decided (
  run_id TEXT NOT NULL COMMENT 'Run',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain',
  computed_tier TEXT COMMENT 'Tier; empty: none',
  reason TEXT COMMENT 'Why there is no tier',
  status TEXT COMMENT 'final or provisional',
  score DECIMAL(38, 18) COMMENT 'Score',
  code TEXT COMMENT 'Composite code',
  completeness DECIMAL(5, 4) COMMENT 'Share of the indicators that were known',
  account_manager_id TEXT COMMENT 'Account manager',
  input_hash TEXT NOT NULL COMMENT 'Hash of the indicators'
) COMMENT 'One row per run and customer in scope'
