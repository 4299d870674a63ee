-- Landing of assessments: one row per row of the source and batch.
CREATE TABLE landing.assessments (
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days that was extracted: start/end',
  position BIGINT NOT NULL COMMENT 'Order in which the source returned the row, from 1',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept, as the source said it',
  indicator TEXT COMMENT 'Assessed indicator, as the source said it',
  value TEXT COMMENT 'Value as text, as the source said it',
  assessed_on TEXT COMMENT 'Day of the assessment, as the source said it',
  assessed_by TEXT COMMENT 'Who assessed, as the source said it',
  evidence TEXT COMMENT 'What the assessment rests on, as the source said it',
  valid_to TEXT COMMENT 'Last day of validity; empty: open, as the source said it'
) COMMENT 'Extracted rows as the source said them. One row per customer, indicator and day of assessment and batch'
