-- The ledger row of a run.
INSERT INTO tiering.run (
  run_id, policy_id, as_of, revision, status, policy_version, input_hash, facts_batch_no, facts_through,
  decided_customers, excluded_customers, moved_customers, new_customers, left_customers, reason, published_at, digest_id,
  is_correction
)
VALUES (
  :run_id, :policy_id, :as_of, :revision, :status, :policy_version, :input_hash, :facts_batch_no, :facts_through,
  :decided_customers, :excluded_customers, :moved_customers, :new_customers, :left_customers, :reason, :published_at,
  :digest_id, :is_correction
)
