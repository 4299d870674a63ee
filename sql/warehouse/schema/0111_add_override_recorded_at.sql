-- When a load recorded the row.
ALTER TABLE tiering.override ADD COLUMN recorded_at TIMESTAMPTZ COMMENT 'Instant at which a file brought the row; empty: written into the table'
