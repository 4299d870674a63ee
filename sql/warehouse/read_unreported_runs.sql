-- Published runs that no digest has reported yet, newest revision of each day: one row per run.
SELECT run.run_id, run.policy_id, run.as_of, run.revision, run.policy_version, version.policy_text
FROM tiering.run AS run
JOIN tiering.policy_version AS version
  ON version.policy_id = run.policy_id AND version.policy_version = run.policy_version
WHERE run.status = 'published' AND run.digest_id IS NULL
ORDER BY run.policy_id, run.as_of
