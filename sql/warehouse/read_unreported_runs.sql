-- Published days that no digest has reported yet, with their newest unreported run, corrections apart: one row per policy, day and kind.
SELECT
  run.run_id,
  run.policy_id,
  run.as_of,
  run.revision,
  run.policy_version,
  COALESCE(run.is_correction, FALSE) AS is_correction,
  version.policy_text
FROM tiering.run AS run
JOIN tiering.policy_version AS version
  ON version.policy_id = run.policy_id AND version.policy_version = run.policy_version
WHERE run.status = 'published'
  AND run.digest_id IS NULL
  AND NOT EXISTS (
    SELECT 1
    FROM tiering.run AS newer
    WHERE newer.policy_id = run.policy_id
      AND newer.as_of = run.as_of
      AND newer.status = 'published'
      AND newer.digest_id IS NULL
      AND COALESCE(newer.is_correction, FALSE) = COALESCE(run.is_correction, FALSE)
      AND newer.revision > run.revision
  )
ORDER BY run.policy_id, run.as_of, is_correction
