-- The policies as they were published last: one row per policy.
SELECT version.policy_id, version.policy_version, version.policy_text
FROM (
  SELECT
    policy_id,
    policy_version,
    ROW_NUMBER() OVER (PARTITION BY policy_id ORDER BY as_of DESC, revision DESC) AS nth
  FROM tiering.run
  WHERE status = 'published'
) AS latest
JOIN tiering.policy_version AS version
  ON version.policy_id = latest.policy_id AND version.policy_version = latest.policy_version
WHERE latest.nth = 1
ORDER BY version.policy_id
