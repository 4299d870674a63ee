-- tiering.told_exposure: accounts that are over a limit and of which a mail has told.
CREATE TABLE tiering.told_exposure (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy',
  entity TEXT NOT NULL COMMENT 'Selling company whose limit is exceeded; empty: the account as a whole',
  account_manager_id TEXT COMMENT 'Account manager who was told; empty: nobody, so that the fallback was',
  over_since DATE NOT NULL COMMENT 'Day since which it is over without a break',
  digest_id TEXT NOT NULL COMMENT 'Digest that told it'
) COMMENT 'One row per account of tiering.credit_exposure that is over and was told; it is told again when it is over after a break'
