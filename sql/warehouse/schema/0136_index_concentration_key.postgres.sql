-- Index on PostgreSQL only: DuckDB refuses to replace a key within one transaction.
CREATE UNIQUE INDEX concentration_key ON tiering.concentration (policy_id, as_of, account_group)
