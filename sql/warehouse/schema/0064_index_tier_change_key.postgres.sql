-- Index on PostgreSQL only: DuckDB has no partial unique indexes, and refuses to replace a key within one transaction.
CREATE UNIQUE INDEX tier_change_standing_key ON tiering.tier_change (policy_id, customer_id, as_of) WHERE superseded_at IS NULL
