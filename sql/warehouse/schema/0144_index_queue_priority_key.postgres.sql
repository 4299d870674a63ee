-- Index on PostgreSQL only: DuckDB refuses to replace a key within one transaction.
CREATE UNIQUE INDEX queue_priority_key ON tiering.queue_priority (policy_id, customer_id)
