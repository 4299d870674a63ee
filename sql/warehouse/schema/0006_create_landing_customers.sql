-- Landing of customers: one row per row of the source and batch.
CREATE TABLE landing.customers (
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days that was extracted: start/end',
  position BIGINT NOT NULL COMMENT 'Order in which the source returned the row, from 1',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept, as the source said it',
  name TEXT COMMENT 'Name as the source writes it, as the source said it',
  account_manager_id TEXT COMMENT 'Account manager of the customer; empty: nobody, as the source said it',
  bill_to_id TEXT COMMENT 'Account that pays for this customer; empty: itself, as the source said it',
  group_id TEXT COMMENT 'Group of companies the customer belongs to, as the source said it',
  customer_type TEXT COMMENT 'Kind of customer in the words of the source, as the source said it',
  industry TEXT COMMENT 'Industry, as the source said it',
  region TEXT COMMENT 'Sales region, as the source said it',
  opened_on TEXT COMMENT 'First day of the relationship, as the source said it',
  currency TEXT COMMENT 'ISO 4217 code, as the source said it',
  credit_limit TEXT COMMENT 'Limit granted in the source, in the currency of the row, as the source said it',
  terms_days TEXT COMMENT 'Days from issue to due, as the source said it',
  status TEXT COMMENT 'active, inactive or left, as the source said it',
  is_blocked TEXT COMMENT 'Whether the source blocks deliveries, as the source said it'
) COMMENT 'Extracted rows as the source said them. One row per customer and batch'
