-- tiering.customer_notice: notices of levels and services that were prepared for customers; nothing here was sent.
CREATE TABLE tiering.customer_notice (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy',
  as_of DATE NOT NULL COMMENT 'Published day whose tier the notice tells',
  tier TEXT NOT NULL COMMENT 'Tier that it tells',
  valid_until DATE NOT NULL COMMENT 'Next day the policy looks at, as the notice says it',
  prepared_at TIMESTAMPTZ NOT NULL COMMENT 'Instant at which the file was written',
  file TEXT NOT NULL COMMENT 'Name of the file that holds it',
  PRIMARY KEY (policy_id, customer_id, as_of, file)
) COMMENT 'One row per policy, customer, published day and file; a day whose tier was changed later has a notice in a second file'
