-- The runs of a policy on a day: one row per revision, the newest first.
SELECT run_id, revision, status, input_hash, policy_version
FROM tiering.run
WHERE policy_id = :policy_id AND as_of = :as_of
ORDER BY revision DESC
