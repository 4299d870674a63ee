-- Keeps what a run found: one row per decided account.
INSERT INTO tiering.decision (
  policy_id, as_of, revision, customer_id, run_id, computed_tier, status, score, code, completeness,
  account_manager_id, held_because, is_at_once, input_hash
)
SELECT
  CAST(:policy_id AS TEXT), CAST(:as_of AS DATE), CAST(:revision AS INTEGER), customer_id, run_id, computed_tier,
  status, score, code, CAST(completeness AS DECIMAL(5, 4)), account_manager_id, held_because, is_at_once, input_hash
FROM work.decided
WHERE run_id = :run_id AND computed_tier IS NOT NULL
