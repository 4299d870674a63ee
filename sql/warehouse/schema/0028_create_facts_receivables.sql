-- Facts of receivables: one row per version.
CREATE TABLE facts.receivables (
  document_id TEXT NOT NULL COMMENT 'Document number',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept',
  issued_on DATE COMMENT 'Day the document was issued',
  due_on DATE COMMENT 'Day the document is due',
  gross_amount DECIMAL(20, 4) COMMENT 'Amount with tax, in the currency of the row',
  currency TEXT COMMENT 'ISO 4217 code',
  is_disputed BOOLEAN COMMENT 'Whether the customer disputes the document',
  entity TEXT COMMENT 'Selling company',
  gross_amount_reporting DECIMAL(20, 4) COMMENT 'gross_amount at the rate of its day, reporting currency',
  batch_no BIGINT NOT NULL COMMENT 'Load that brought this version of the row',
  superseded_in BIGINT COMMENT 'Load that replaced or withdrew this version; empty: it stands'
) COMMENT 'Checked rows. One row per issued document and version; the standing version has no superseded_in'
