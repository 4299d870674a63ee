-- The published day before a day, with the revision in force: one row, or none.
SELECT as_of, revision, policy_version
FROM tiering.run
WHERE policy_id = :policy_id AND status = 'published' AND as_of < :as_of
ORDER BY as_of DESC, revision DESC
LIMIT 1
