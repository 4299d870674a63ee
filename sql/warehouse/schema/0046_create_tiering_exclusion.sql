-- tiering.exclusion: who was in scope and got no tier; append-only.
CREATE TABLE tiering.exclusion (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  as_of DATE NOT NULL COMMENT 'Business day',
  revision INTEGER NOT NULL COMMENT 'Revision of the run',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy: customer, bill-to account or group',
  run_id TEXT NOT NULL COMMENT 'Run',
  reason TEXT NOT NULL COMMENT 'gate:<name>, not_in_population, left or erased',
  account_manager_id TEXT COMMENT 'Account manager on that day',
  input_hash TEXT NOT NULL COMMENT 'Hash of the indicators that were looked at'
) COMMENT 'One row per policy, as_of, revision and customer in scope that was not decided'
