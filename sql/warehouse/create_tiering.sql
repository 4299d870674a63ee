-- The schema that records its own upgrades; everything else is created by numbered statements.
CREATE SCHEMA IF NOT EXISTS tiering
