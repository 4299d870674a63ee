-- tiering.schema_upgrade: one row per numbered statement that was applied.
CREATE TABLE tiering.schema_upgrade (
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  applied_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (number)
)
