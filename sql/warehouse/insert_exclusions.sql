-- Keeps who was in scope and got no tier: one row per account.
INSERT INTO tiering.exclusion (
  policy_id, as_of, revision, customer_id, run_id, reason, account_manager_id, input_hash
)
SELECT
  CAST(:policy_id AS TEXT), CAST(:as_of AS DATE), CAST(:revision AS INTEGER), customer_id, run_id, reason,
  account_manager_id, input_hash
FROM work.decided
WHERE run_id = :run_id AND computed_tier IS NULL
