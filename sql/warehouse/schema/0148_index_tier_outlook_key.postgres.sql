-- Index on PostgreSQL only: DuckDB refuses to replace a key within one transaction.
CREATE UNIQUE INDEX tier_outlook_key ON tiering.tier_outlook (policy_id, customer_id, direction)
