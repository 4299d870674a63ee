-- tiering.decision: what runs found, before movement and people; append-only.
CREATE TABLE tiering.decision (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  as_of DATE NOT NULL COMMENT 'Business day',
  revision INTEGER NOT NULL COMMENT 'Revision of the run',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy: customer, bill-to account or group',
  run_id TEXT NOT NULL COMMENT 'Run',
  computed_tier TEXT NOT NULL COMMENT 'Tier by the rules of the policy',
  status TEXT NOT NULL COMMENT 'final or provisional',
  score DECIMAL(38, 18) COMMENT 'Score, where the policy has one',
  code TEXT COMMENT 'Composite code such as 555, where the policy has one',
  completeness DECIMAL(5, 4) NOT NULL COMMENT 'Share of the indicators that were known, 0 to 1',
  account_manager_id TEXT COMMENT 'Account manager on that day',
  input_hash TEXT NOT NULL COMMENT 'Hash of the indicators that were decided on'
) COMMENT 'One row per policy, as_of, revision and customer that was decided'
