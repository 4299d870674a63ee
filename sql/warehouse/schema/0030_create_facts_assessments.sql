-- Facts of assessments: one row per version.
CREATE TABLE facts.assessments (
  customer_id TEXT NOT NULL COMMENT 'Customer number, text, leading zeros kept',
  indicator TEXT NOT NULL COMMENT 'Assessed indicator',
  value TEXT COMMENT 'Value as text',
  assessed_on DATE NOT NULL COMMENT 'Day of the assessment',
  assessed_by TEXT COMMENT 'Who assessed',
  evidence TEXT COMMENT 'What the assessment rests on',
  valid_to DATE COMMENT 'Last day of validity; empty: open',
  batch_no BIGINT NOT NULL COMMENT 'Load that brought this version of the row',
  superseded_in BIGINT COMMENT 'Load that replaced or withdrew this version; empty: it stands'
) COMMENT 'Checked rows. One row per customer, indicator and day of assessment and version; the standing version has no superseded_in'
