-- Keeps a policy text, the first time it is published.
INSERT INTO tiering.policy_version (policy_id, policy_version, policy_text, effective_from, first_used_at)
SELECT
  CAST(:policy_id AS TEXT), CAST(:policy_version AS TEXT), CAST(:policy_text AS TEXT), CAST(:effective_from AS DATE),
  CAST(:first_used_at AS TIMESTAMPTZ)
WHERE NOT EXISTS (
  SELECT 1 FROM tiering.policy_version WHERE policy_id = :policy_id AND policy_version = :policy_version
)
