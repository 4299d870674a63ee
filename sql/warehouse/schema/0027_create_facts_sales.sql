-- Facts of sales: one row per version.
CREATE TABLE facts.sales (
  line_id TEXT NOT NULL COMMENT 'Line of a sales document',
  document_id TEXT COMMENT 'Document number',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept',
  sold_on DATE COMMENT 'Business date of the sale',
  net_amount DECIMAL(20, 4) COMMENT 'Amount without tax, in the currency of the row; credit notes are negative',
  currency TEXT COMMENT 'ISO 4217 code',
  tax_amount DECIMAL(20, 4) COMMENT 'Tax on the line, in the currency of the row',
  cost_amount DECIMAL(20, 4) COMMENT 'Cost of the line, in the currency of the row',
  document_type TEXT COMMENT 'invoice or credit_note; empty: invoice',
  product_id TEXT COMMENT 'Product',
  quantity DECIMAL(38, 8) COMMENT 'Units sold',
  entity TEXT COMMENT 'Selling company',
  gross_amount DECIMAL(20, 4) COMMENT 'Net plus tax; without a tax amount, net × (1 + vat_rate of the year); empty when neither is known',
  net_amount_reporting DECIMAL(20, 4) COMMENT 'net_amount at the rate of its day, reporting currency',
  gross_amount_reporting DECIMAL(20, 4) COMMENT 'gross_amount at the rate of its day, reporting currency',
  cost_amount_reporting DECIMAL(20, 4) COMMENT 'cost_amount at the rate of its day, reporting currency',
  batch_no BIGINT NOT NULL COMMENT 'Load that brought this version of the row',
  superseded_in BIGINT COMMENT 'Load that replaced or withdrew this version; empty: it stands'
) COMMENT 'Checked rows. One row per line of a sales document and version; the standing version has no superseded_in'
