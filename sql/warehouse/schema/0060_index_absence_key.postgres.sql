-- Index on PostgreSQL only: DuckDB has no partial unique indexes, and refuses to replace a key within one transaction.
CREATE UNIQUE INDEX absence_key ON tiering.absence (policy_id, customer_id, valid_from)
