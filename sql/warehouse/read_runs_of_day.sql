-- The runs in force on a published day, by policy: one row per policy, with the text that ran.
SELECT
  run.run_id,
  run.policy_id,
  run.as_of,
  run.revision,
  run.policy_version,
  run.published_at,
  FALSE AS is_correction,
  version.policy_text
FROM tiering.run AS run
JOIN tiering.policy_version AS version
  ON version.policy_id = run.policy_id AND version.policy_version = run.policy_version
WHERE run.status = 'published'
  AND run.as_of = :as_of
  AND NOT EXISTS (
    SELECT 1
    FROM tiering.run AS newer
    WHERE newer.policy_id = run.policy_id
      AND newer.as_of = run.as_of
      AND newer.status = 'published'
      AND newer.revision > run.revision
  )
ORDER BY run.policy_id
