-- Who holds receivables out of proportion to sales.
CREATE TABLE tiering.concentration (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  as_of DATE NOT NULL COMMENT 'Day of the run',
  account_group TEXT NOT NULL COMMENT 'all; key, not_key; debtor (the largest debtors), key_debtor (the overlap), other_debtor (largest debtors that are not key), key_not_debtor',
  currency TEXT NOT NULL COMMENT 'ISO 4217 code of every amount in the row: the reporting currency',
  accounts BIGINT NOT NULL COMMENT 'Accounts',
  sales_amount DECIMAL(20, 4) NOT NULL COMMENT 'Their sales',
  receivable_amount DECIMAL(20, 4) NOT NULL COMMENT 'What was open of their invoices',
  sales_share DECIMAL(38, 18) COMMENT 'Their part of all sales; empty: there are none',
  receivable_share DECIMAL(38, 18) COMMENT 'Their part of all receivables; empty: there are none',
  average_receivable DECIMAL(38, 18) COMMENT 'receivable_amount divided by accounts; empty: no accounts',
  run_id TEXT NOT NULL COMMENT 'Run'
) COMMENT 'One row per policy, day of a run and group of accounts'
