-- Landing of balances: one row per row of the source and batch.
CREATE TABLE landing.balances (
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days that was extracted: start/end',
  position BIGINT NOT NULL COMMENT 'Order in which the source returned the row, from 1',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept, as the source said it',
  as_of TEXT COMMENT 'Day of the balance, as the source said it',
  kind TEXT COMMENT 'assets, star_points, …, as the source said it',
  amount TEXT COMMENT 'Balance, as the source said it',
  currency TEXT COMMENT 'ISO 4217 code, as the source said it'
) COMMENT 'Extracted rows as the source said them. One row per customer, kind of balance and day and batch'
