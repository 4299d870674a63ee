-- Landing of customer_attributes: one row per row of the source and batch.
CREATE TABLE landing.customer_attributes (
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days that was extracted: start/end',
  position BIGINT NOT NULL COMMENT 'Order in which the source returned the row, from 1',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept, as the source said it',
  attribute TEXT COMMENT 'Name of the further attribute, without attr_, as the source said it',
  value TEXT COMMENT 'Value as text, as the source said it'
) COMMENT 'Extracted rows as the source said them. One row per customer and further attribute and batch'
