-- Index on PostgreSQL only: DuckDB refuses to replace a key within one transaction.
CREATE UNIQUE INDEX movement_state_key ON tiering.movement_state (policy_id, customer_id, valid_from)
