-- Published days of a policy from a day on, with the revision in force: one row per day.
SELECT run.as_of, run.revision, run.run_id, run.policy_version, run.input_hash
FROM tiering.run AS run
JOIN (
  SELECT as_of, MAX(revision) AS revision
  FROM tiering.run
  WHERE policy_id = :policy_id AND status = 'published'
  GROUP BY as_of
) AS latest ON latest.as_of = run.as_of AND latest.revision = run.revision
WHERE run.policy_id = :policy_id AND run.status = 'published' AND run.as_of >= :from_day
ORDER BY run.as_of
