-- Facts of surveys: one row per version.
CREATE TABLE facts.surveys (
  customer_id TEXT NOT NULL COMMENT 'Customer number, text, leading zeros kept',
  answered_on DATE NOT NULL COMMENT 'Day of the answer',
  score DECIMAL(38, 8) COMMENT 'Score given',
  question TEXT COMMENT 'Question answered',
  batch_no BIGINT NOT NULL COMMENT 'Load that brought this version of the row',
  superseded_in BIGINT COMMENT 'Load that replaced or withdrew this version; empty: it stands'
) COMMENT 'Checked rows. One row per customer, question and day and version; the standing version has no superseded_in'
