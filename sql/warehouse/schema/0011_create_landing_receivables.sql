-- Landing of receivables: one row per row of the source and batch.
CREATE TABLE landing.receivables (
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days that was extracted: start/end',
  position BIGINT NOT NULL COMMENT 'Order in which the source returned the row, from 1',
  document_id TEXT COMMENT 'Document number, as the source said it',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept, as the source said it',
  issued_on TEXT COMMENT 'Day the document was issued, as the source said it',
  due_on TEXT COMMENT 'Day the document is due, as the source said it',
  gross_amount TEXT COMMENT 'Amount with tax, in the currency of the row, as the source said it',
  currency TEXT COMMENT 'ISO 4217 code, as the source said it',
  is_disputed TEXT COMMENT 'Whether the customer disputes the document, as the source said it',
  entity TEXT COMMENT 'Selling company, as the source said it'
) COMMENT 'Extracted rows as the source said them. One row per issued document and batch'
