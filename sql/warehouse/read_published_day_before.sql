-- The day of the run before a day, with the revision in force: one row, or none.
SELECT as_of, revision, run_id, policy_version
FROM tiering.run
WHERE policy_id = :policy_id AND status = 'published' AND as_of < :as_of AND revision > 0
ORDER BY as_of DESC, revision DESC
LIMIT 1
