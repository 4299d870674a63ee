-- Index on PostgreSQL only: DuckDB refuses to replace a key within one transaction.
CREATE UNIQUE INDEX policy_evaluation_key ON tiering.policy_evaluation (policy_id, year, figure, tier)
