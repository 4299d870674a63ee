-- Facts of account_managers: one row per version.
CREATE TABLE facts.account_managers (
  account_manager_id TEXT NOT NULL COMMENT 'Account manager',
  name TEXT COMMENT 'Name as the source writes it',
  email TEXT COMMENT 'Address of the account manager',
  reports_to_id TEXT COMMENT 'Superior of the account manager',
  locale TEXT COMMENT 'Language of the mails: zh or en',
  region TEXT COMMENT 'Sales region',
  batch_no BIGINT NOT NULL COMMENT 'Load that brought this version of the row',
  superseded_in BIGINT COMMENT 'Load that replaced or withdrew this version; empty: it stands'
) COMMENT 'Checked rows. One row per account manager and version; the standing version has no superseded_in'
