-- The runs of a policy on a day: one row per revision, the newest first.
SELECT run_id, revision, status, input_hash, policy_version, facts_batch_no, digest_id, is_correction
FROM tiering.run
WHERE policy_id = :policy_id AND as_of = :as_of
ORDER BY revision DESC
