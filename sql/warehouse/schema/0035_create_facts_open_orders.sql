-- Facts of open_orders: one row per version.
CREATE TABLE facts.open_orders (
  document_id TEXT NOT NULL COMMENT 'Document number',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept',
  ordered_on DATE COMMENT 'Day of the order',
  amount DECIMAL(20, 4) COMMENT 'Amount in the currency of the row',
  currency TEXT COMMENT 'ISO 4217 code',
  amount_reporting DECIMAL(20, 4) COMMENT 'amount at the rate of its day, reporting currency',
  batch_no BIGINT NOT NULL COMMENT 'Load that brought this version of the row',
  superseded_in BIGINT COMMENT 'Load that replaced or withdrew this version; empty: it stands'
) COMMENT 'Checked rows. One row per order not yet invoiced and version; the standing version has no superseded_in'
