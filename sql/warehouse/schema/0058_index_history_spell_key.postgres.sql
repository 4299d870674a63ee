-- Index on PostgreSQL only: DuckDB has no partial unique indexes, and refuses to replace a key within one transaction.
CREATE UNIQUE INDEX customer_tier_history_spell_key ON tiering.customer_tier_history (policy_id, customer_id, valid_from)
