-- Index on PostgreSQL only: DuckDB has no partial unique indexes, and refuses to replace a key within one transaction.
CREATE UNIQUE INDEX score_component_key ON tiering.score_component (policy_id, as_of, revision, customer_id, indicator)
