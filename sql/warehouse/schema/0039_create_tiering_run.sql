-- tiering.run: the ledger of runs.
CREATE TABLE tiering.run (
  run_id TEXT NOT NULL COMMENT 'Hash of policy, as_of and revision',
  policy_id TEXT NOT NULL COMMENT 'Policy',
  as_of DATE NOT NULL COMMENT 'Business day the run looks at; nothing later is visible to it',
  revision INTEGER NOT NULL COMMENT '1, and one more for each restatement',
  status TEXT NOT NULL COMMENT 'published, held (somebody is asked), rejected or failed',
  policy_version TEXT NOT NULL COMMENT 'Hash of the meaning of the policy text',
  input_hash TEXT COMMENT 'Hash of everything that was decided on; equal input is a no-op',
  facts_batch_no BIGINT COMMENT 'Newest load that the run could see',
  facts_through DATE COMMENT 'Last day covered by the facts when the run measured',
  decided_customers BIGINT COMMENT 'Customers that got a tier',
  excluded_customers BIGINT COMMENT 'Customers in scope without a tier',
  moved_customers BIGINT COMMENT 'Customers whose tier moved; new ones do not count',
  new_customers BIGINT COMMENT 'Customers that had no tier before',
  left_customers BIGINT COMMENT 'Customers that lost their tier',
  reason TEXT COMMENT 'Why the run was held, rejected, restated or failed',
  published_at TIMESTAMPTZ COMMENT 'Instant of publication',
  digest_id TEXT COMMENT 'Digest that reported the run; empty: not reported yet; none: not to be reported',
  PRIMARY KEY (policy_id, as_of, revision)
) COMMENT 'One row per policy, as_of and revision that was decided'
