-- Index on PostgreSQL only: DuckDB has no partial unique indexes, and refuses to replace a key within one transaction.
CREATE UNIQUE INDEX exclusion_key ON tiering.exclusion (policy_id, as_of, revision, customer_id)
