-- Facts of balances: one row per version.
CREATE TABLE facts.balances (
  customer_id TEXT NOT NULL COMMENT 'Customer number, text, leading zeros kept',
  as_of DATE NOT NULL COMMENT 'Day of the balance',
  kind TEXT NOT NULL COMMENT 'assets, star_points, …',
  amount DECIMAL(38, 8) COMMENT 'Balance',
  currency TEXT COMMENT 'ISO 4217 code',
  batch_no BIGINT NOT NULL COMMENT 'Load that brought this version of the row',
  superseded_in BIGINT COMMENT 'Load that replaced or withdrew this version; empty: it stands'
) COMMENT 'Checked rows. One row per customer, kind of balance and day and version; the standing version has no superseded_in'
