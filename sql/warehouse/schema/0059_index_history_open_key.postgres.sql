-- Index on PostgreSQL only: DuckDB has no partial unique indexes, and refuses to replace a key within one transaction.
CREATE UNIQUE INDEX customer_tier_history_open_key ON tiering.customer_tier_history (policy_id, customer_id) WHERE valid_to IS NULL
