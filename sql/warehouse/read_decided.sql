-- What a run found that is not published yet: one row per account in scope.
SELECT
  customer_id,
  computed_tier,
  reason,
  status,
  score,
  code,
  completeness,
  account_manager_id,
  held_because,
  is_at_once,
  input_hash
FROM work.decided
WHERE run_id = :run_id
