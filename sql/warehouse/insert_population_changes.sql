-- The changes of accounts that came into the population or went out of it: one row each.
INSERT INTO tiering.tier_change (
  policy_id, as_of, revision, customer_id, from_tier, to_tier, direction, cause, drivers, account_manager_id, run_id,
  recorded_at
)
SELECT
  CAST(:policy_id AS TEXT),
  CAST(:as_of AS DATE),
  CAST(:revision AS INTEGER),
  customer_id,
  from_tier,
  to_tier,
  CASE WHEN from_tier IS NULL THEN 'new' ELSE 'left' END,
  'measures',
  CASE WHEN is_in THEN CAST(:came AS TEXT) ELSE CAST(:went AS TEXT) END,
  account_manager_id,
  CAST(:run_id AS TEXT),
  CAST(:recorded_at AS TIMESTAMPTZ)
FROM work.plain_move
WHERE (from_tier IS NULL OR to_tier IS NULL) AND NOT (is_in AND was_in)
