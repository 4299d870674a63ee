-- Landing of open_orders: one row per row of the source and batch.
CREATE TABLE landing.open_orders (
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days that was extracted: start/end',
  position BIGINT NOT NULL COMMENT 'Order in which the source returned the row, from 1',
  document_id TEXT COMMENT 'Document number, as the source said it',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept, as the source said it',
  ordered_on TEXT COMMENT 'Day of the order, as the source said it',
  amount TEXT COMMENT 'Amount in the currency of the row, as the source said it',
  currency TEXT COMMENT 'ISO 4217 code, as the source said it'
) COMMENT 'Extracted rows as the source said them. One row per order not yet invoiced and batch'
