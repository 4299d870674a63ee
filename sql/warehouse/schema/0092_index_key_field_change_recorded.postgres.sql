-- Index on PostgreSQL only: whoever is told of changes reads those that were recorded since.
CREATE INDEX key_field_change_recorded ON tiering.key_field_change (recorded_at)
