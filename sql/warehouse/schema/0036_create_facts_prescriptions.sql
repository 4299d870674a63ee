-- Facts of prescriptions: one row per version.
CREATE TABLE facts.prescriptions (
  customer_id TEXT NOT NULL COMMENT 'Customer number, text, leading zeros kept',
  month DATE NOT NULL COMMENT 'First day of the month',
  own_units DECIMAL(38, 8) COMMENT 'Own units prescribed',
  competitor_units DECIMAL(38, 8) COMMENT 'Units of competitors',
  hospital_level TEXT COMMENT 'Level of the hospital',
  behaviour TEXT COMMENT 'Prescribing behaviour',
  patients BIGINT COMMENT 'Patients',
  batch_no BIGINT NOT NULL COMMENT 'Load that brought this version of the row',
  superseded_in BIGINT COMMENT 'Load that replaced or withdrew this version; empty: it stands'
) COMMENT 'Checked rows. One row per prescriber and month and version; the standing version has no superseded_in'
