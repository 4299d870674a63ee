-- Landing of surveys: one row per row of the source and batch.
CREATE TABLE landing.surveys (
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days that was extracted: start/end',
  position BIGINT NOT NULL COMMENT 'Order in which the source returned the row, from 1',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept, as the source said it',
  answered_on TEXT COMMENT 'Day of the answer, as the source said it',
  score TEXT COMMENT 'Score given, as the source said it',
  question TEXT COMMENT 'Question answered, as the source said it'
) COMMENT 'Extracted rows as the source said them. One row per customer, question and day and batch'
