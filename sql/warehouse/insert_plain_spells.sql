-- The spells that begin for the accounts that take what a run found: one row per account with a tier.
INSERT INTO tiering.customer_tier_history (policy_id, customer_id, tier, computed_tier, status, valid_from, run_id)
SELECT CAST(:policy_id AS TEXT), customer_id, tier, tier, status, CAST(:as_of AS DATE), CAST(:run_id AS TEXT)
FROM work.differing
WHERE is_plain AND tier IS NOT NULL
