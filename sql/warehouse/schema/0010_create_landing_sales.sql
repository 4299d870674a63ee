-- Landing of sales: one row per row of the source and batch.
CREATE TABLE landing.sales (
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days that was extracted: start/end',
  position BIGINT NOT NULL COMMENT 'Order in which the source returned the row, from 1',
  line_id TEXT COMMENT 'Line of a sales document, as the source said it',
  document_id TEXT COMMENT 'Document number, as the source said it',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept, as the source said it',
  sold_on TEXT COMMENT 'Business date of the sale, as the source said it',
  net_amount TEXT COMMENT 'Amount without tax, in the currency of the row; credit notes are negative, as the source said it',
  currency TEXT COMMENT 'ISO 4217 code, as the source said it',
  tax_amount TEXT COMMENT 'Tax on the line, in the currency of the row, as the source said it',
  cost_amount TEXT COMMENT 'Cost of the line, in the currency of the row, as the source said it',
  document_type TEXT COMMENT 'invoice or credit_note; empty: invoice, as the source said it',
  product_id TEXT COMMENT 'Product, as the source said it',
  quantity TEXT COMMENT 'Units sold, as the source said it',
  entity TEXT COMMENT 'Selling company, as the source said it'
) COMMENT 'Extracted rows as the source said them. One row per line of a sales document and batch'
