-- Index on PostgreSQL only: DuckDB refuses to replace a key within one transaction.
CREATE UNIQUE INDEX provisional_grade_key ON tiering.provisional_grade (policy_id, customer_id)
