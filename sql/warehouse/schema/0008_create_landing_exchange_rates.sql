-- Landing of exchange_rates: one row per row of the source and batch.
CREATE TABLE landing.exchange_rates (
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days that was extracted: start/end',
  position BIGINT NOT NULL COMMENT 'Order in which the source returned the row, from 1',
  currency TEXT COMMENT 'ISO 4217 code, as the source said it',
  valid_on TEXT COMMENT 'Day of the rate, as the source said it',
  rate_to_reporting TEXT COMMENT 'Reporting currency for one unit of this currency, as the source said it'
) COMMENT 'Extracted rows as the source said them. One row per currency and day and batch'
