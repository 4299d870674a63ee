-- Index on PostgreSQL only: DuckDB refuses to replace a key within one transaction.
CREATE UNIQUE INDEX visit_plan_key ON tiering.visit_plan (policy_id, tier, period_start, COALESCE(account_manager_id, ''))
