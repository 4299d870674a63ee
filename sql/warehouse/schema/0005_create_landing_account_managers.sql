-- Landing of account_managers: one row per row of the source and batch.
CREATE TABLE landing.account_managers (
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days that was extracted: start/end',
  position BIGINT NOT NULL COMMENT 'Order in which the source returned the row, from 1',
  account_manager_id TEXT COMMENT 'Account manager, as the source said it',
  name TEXT COMMENT 'Name as the source writes it, as the source said it',
  email TEXT COMMENT 'Address of the account manager, as the source said it',
  reports_to_id TEXT COMMENT 'Superior of the account manager, as the source said it',
  locale TEXT COMMENT 'Language of the mails: zh or en, as the source said it',
  region TEXT COMMENT 'Sales region, as the source said it'
) COMMENT 'Extracted rows as the source said them. One row per account manager and batch'
