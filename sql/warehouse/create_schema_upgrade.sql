-- tiering.schema_upgrade: one row per numbered statement that was applied.
CREATE TABLE tiering.schema_upgrade (
  number INTEGER NOT NULL COMMENT 'Number of the statement',
  name TEXT NOT NULL COMMENT 'What the statement does',
  sha256 TEXT NOT NULL COMMENT 'Hash of its text',
  applied_at TIMESTAMPTZ NOT NULL COMMENT 'Instant of the upgrade',
  PRIMARY KEY (number)
) COMMENT 'One row per numbered statement that was applied'
