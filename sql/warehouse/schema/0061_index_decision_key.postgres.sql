-- Index on PostgreSQL only: DuckDB has no partial unique indexes, and refuses to replace a key within one transaction.
CREATE UNIQUE INDEX decision_key ON tiering.decision (policy_id, as_of, revision, customer_id)
