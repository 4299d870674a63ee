-- Landing of plan: one row per row of the source and batch.
CREATE TABLE landing.plan (
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days that was extracted: start/end',
  position BIGINT NOT NULL COMMENT 'Order in which the source returned the row, from 1',
  year TEXT COMMENT 'Calendar year, as the source said it',
  revenue_budget TEXT COMMENT 'Budgeted net sales, reporting currency, as the source said it',
  gross_margin_rate TEXT COMMENT 'Budgeted gross margin as a fraction, as the source said it',
  vat_rate TEXT COMMENT 'Value added tax as a fraction, as the source said it',
  credit_budget TEXT COMMENT 'Total credit, reporting currency, where it is given, as the source said it'
) COMMENT 'Extracted rows as the source said them. One row per calendar year and batch'
