-- Facts of plan: one row per version.
CREATE TABLE facts.plan (
  year BIGINT NOT NULL COMMENT 'Calendar year',
  revenue_budget DECIMAL(20, 4) COMMENT 'Budgeted net sales, reporting currency',
  gross_margin_rate DECIMAL(18, 8) COMMENT 'Budgeted gross margin as a fraction',
  vat_rate DECIMAL(18, 8) COMMENT 'Value added tax as a fraction',
  credit_budget DECIMAL(20, 4) COMMENT 'Total credit, reporting currency, where it is given',
  batch_no BIGINT NOT NULL COMMENT 'Load that brought this version of the row',
  superseded_in BIGINT COMMENT 'Load that replaced or withdrew this version; empty: it stands'
) COMMENT 'Checked rows. One row per calendar year and version; the standing version has no superseded_in'
