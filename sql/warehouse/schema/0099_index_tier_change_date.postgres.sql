-- Index on PostgreSQL only: an evaluation reads the moves of a year.
CREATE INDEX tier_change_date ON tiering.tier_change (policy_id, as_of)
