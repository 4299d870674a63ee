-- Facts of exchange_rates: one row per version.
CREATE TABLE facts.exchange_rates (
  currency TEXT NOT NULL COMMENT 'ISO 4217 code',
  valid_on DATE NOT NULL COMMENT 'Day of the rate',
  rate_to_reporting DECIMAL(18, 8) COMMENT 'Reporting currency for one unit of this currency',
  batch_no BIGINT NOT NULL COMMENT 'Load that brought this version of the row',
  superseded_in BIGINT COMMENT 'Load that replaced or withdrew this version; empty: it stands'
) COMMENT 'Checked rows. One row per currency and day and version; the standing version has no superseded_in'
