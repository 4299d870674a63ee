-- Landing of prescriptions: one row per row of the source and batch.
CREATE TABLE landing.prescriptions (
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days that was extracted: start/end',
  position BIGINT NOT NULL COMMENT 'Order in which the source returned the row, from 1',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept, as the source said it',
  month TEXT COMMENT 'First day of the month, as the source said it',
  own_units TEXT COMMENT 'Own units prescribed, as the source said it',
  competitor_units TEXT COMMENT 'Units of competitors, as the source said it',
  hospital_level TEXT COMMENT 'Level of the hospital, as the source said it',
  behaviour TEXT COMMENT 'Prescribing behaviour, as the source said it',
  patients TEXT COMMENT 'Patients, as the source said it'
) COMMENT 'Extracted rows as the source said them. One row per prescriber and month and batch'
