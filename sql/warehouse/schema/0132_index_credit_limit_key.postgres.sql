-- Index on PostgreSQL only: DuckDB refuses to replace a key within one transaction.
CREATE UNIQUE INDEX credit_limit_key ON tiering.credit_limit (policy_id, as_of, customer_id)
