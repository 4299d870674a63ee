-- Index on PostgreSQL only: DuckDB refuses to replace a key within one transaction.
CREATE UNIQUE INDEX customer_class_key ON tiering.customer_class (policy_id, customer_id)
