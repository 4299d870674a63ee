-- Where the accounts that take what a run found stand under movement rules: nothing is under way; one row per account.
INSERT INTO tiering.movement_state (
  policy_id, customer_id, valid_from, tier, computed_tier, status, reason, found_status, since_on, period_from, periods,
  found
)
SELECT
  CAST(:policy_id AS TEXT),
  customer_id,
  CAST(:as_of AS DATE),
  tier,
  tier,
  CASE WHEN tier IS NOT NULL THEN status END,
  CASE WHEN tier IS NULL THEN reason END,
  CASE WHEN tier IS NOT NULL THEN status END,
  CASE WHEN tier IS NOT NULL THEN since_on END,
  CASE WHEN tier IS NOT NULL THEN period_from END,
  0,
  '[]'
FROM work.differing
WHERE is_plain
