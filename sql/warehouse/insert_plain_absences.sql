-- The absences that begin for the accounts that take what a run found: one row per account without a tier.
INSERT INTO tiering.absence (policy_id, customer_id, reason, valid_from)
SELECT CAST(:policy_id AS TEXT), customer_id, reason, CAST(:as_of AS DATE)
FROM work.differing
WHERE is_plain AND tier IS NULL
