-- tiering.grade: grades that people give on the way to a publication, pre-grades and final ones, both kept.
CREATE TABLE tiering.grade (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  as_of DATE NOT NULL COMMENT 'Business day that is graded',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy',
  stage TEXT NOT NULL COMMENT 'screened (first look), pre_graded (by the region) or final (by the committee)',
  tier TEXT NOT NULL COMMENT 'Tier that was given',
  graded_by TEXT NOT NULL COMMENT 'Who gave it',
  graded_on DATE NOT NULL COMMENT 'Day on which it was given',
  reason TEXT COMMENT 'Why; a final grade that differs from the pre-grade or from the computed tier has one',
  recorded_at TIMESTAMPTZ COMMENT 'Instant at which a file brought the row; empty: written into the table',
  superseded_at TIMESTAMPTZ COMMENT 'Instant at which a later line for the same policy, day, customer and stage took its place; empty: it stands',
  file_sha256 TEXT COMMENT 'File that brought the row; empty: written into the table',
  CHECK (stage IN ('screened', 'pre_graded', 'final'))
) COMMENT 'Input, written by people. One row per policy, as_of, customer, stage and version; the standing version has no superseded_at'
