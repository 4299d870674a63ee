-- Landing of opportunities: one row per row of the source and batch.
CREATE TABLE landing.opportunities (
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days that was extracted: start/end',
  position BIGINT NOT NULL COMMENT 'Order in which the source returned the row, from 1',
  opportunity_id TEXT COMMENT 'Opportunity, as the source said it',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept, as the source said it',
  has_explicit_need TEXT COMMENT 'Whether the need is explicit, as the source said it',
  stage TEXT COMMENT 'Stage of the opportunity, as the source said it',
  expected_close_on TEXT COMMENT 'Expected closing day, as the source said it',
  amount TEXT COMMENT 'Expected amount, as the source said it',
  is_refused TEXT COMMENT 'Whether the prospect refused, as the source said it'
) COMMENT 'Extracted rows as the source said them. One row per opportunity and batch'
