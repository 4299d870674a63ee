-- Keeps what was removed.
INSERT INTO tiering.pruning (
  pruning_no, what, policy_id, outcome, kept_days, up_to, pruned_rows, pruned_on, run_id, recorded_at
)
VALUES (
  :pruning_no, :what, :policy_id, :outcome, :kept_days, :up_to, :pruned_rows, :pruned_on, :run_id, :recorded_at
)
