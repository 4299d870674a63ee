-- When a later line took the place of the row.
ALTER TABLE tiering.override ADD COLUMN superseded_at TIMESTAMPTZ COMMENT 'Instant at which a later line for the same policy, customer and first day took its place; empty: it stands. A row that does not stand has no effect'
