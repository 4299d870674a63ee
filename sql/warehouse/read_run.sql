-- The newest revision of a run: one row, or none.
SELECT run_id, revision, status, input_hash, policy_version
FROM tiering.run
WHERE policy_id = :policy_id AND as_of = :as_of
ORDER BY revision DESC
LIMIT 1
