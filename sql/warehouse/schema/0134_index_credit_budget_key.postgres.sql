-- Index on PostgreSQL only: DuckDB refuses to replace a key within one transaction.
CREATE UNIQUE INDEX credit_budget_key ON tiering.credit_budget (policy_id, as_of, class)
