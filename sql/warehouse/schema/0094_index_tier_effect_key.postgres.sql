-- Index on PostgreSQL only: DuckDB refuses to replace a key within one transaction.
CREATE UNIQUE INDEX tier_effect_key ON tiering.tier_effect (policy_id, as_of, tier, measure)
