-- Index on PostgreSQL only: DuckDB has no partial unique indexes, and refuses to replace a key within one transaction.
CREATE UNIQUE INDEX customer_tier_key ON tiering.customer_tier (policy_id, customer_id)
