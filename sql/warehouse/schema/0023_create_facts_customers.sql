-- Facts of customers: one row per version.
CREATE TABLE facts.customers (
  customer_id TEXT NOT NULL COMMENT 'Customer number, text, leading zeros kept',
  name TEXT COMMENT 'Name as the source writes it',
  account_manager_id TEXT COMMENT 'Account manager of the customer; empty: nobody',
  bill_to_id TEXT COMMENT 'Account that pays for this customer; empty: itself',
  group_id TEXT COMMENT 'Group of companies the customer belongs to',
  customer_type TEXT COMMENT 'Kind of customer in the words of the source',
  industry TEXT COMMENT 'Industry',
  region TEXT COMMENT 'Sales region',
  opened_on DATE COMMENT 'First day of the relationship',
  currency TEXT COMMENT 'ISO 4217 code',
  credit_limit DECIMAL(20, 4) COMMENT 'Limit granted in the source, in the currency of the row',
  terms_days BIGINT COMMENT 'Days from issue to due',
  status TEXT COMMENT 'active, inactive or left',
  is_blocked BOOLEAN COMMENT 'Whether the source blocks deliveries',
  holds_from DATE NOT NULL COMMENT 'First day on which these attributes hold',
  batch_no BIGINT NOT NULL COMMENT 'Load that brought this version of the row',
  superseded_in BIGINT COMMENT 'Load that replaced or withdrew this version; empty: it stands'
) COMMENT 'Checked rows. One row per customer and version; the standing version has no superseded_in'
