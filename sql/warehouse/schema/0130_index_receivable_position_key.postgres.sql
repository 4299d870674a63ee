-- Index on PostgreSQL only: DuckDB refuses to replace a key within one transaction.
CREATE UNIQUE INDEX receivable_position_key ON tiering.receivable_position (as_of, customer_id, currency)
