-- Index on PostgreSQL only: DuckDB refuses to replace a key within one transaction.
CREATE UNIQUE INDEX credit_exposure_key ON tiering.credit_exposure (policy_id, customer_id, entity)
