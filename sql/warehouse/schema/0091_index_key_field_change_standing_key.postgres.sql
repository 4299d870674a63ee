-- Index on PostgreSQL only: DuckDB has no partial unique indexes, and refuses to replace a key within one transaction.
CREATE UNIQUE INDEX key_field_change_standing_key ON tiering.key_field_change (customer_id, entity, field, changed_on) WHERE superseded_at IS NULL
