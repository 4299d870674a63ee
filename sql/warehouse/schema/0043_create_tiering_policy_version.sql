-- tiering.policy_version: every policy text that ever ran.
CREATE TABLE tiering.policy_version (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  policy_version TEXT NOT NULL COMMENT 'SHA-256 of the meaning of the text: comments and key order do not count',
  policy_text TEXT NOT NULL COMMENT 'The text as it was',
  effective_from DATE COMMENT 'Day from which the text is in force, where it says so',
  first_used_at TIMESTAMPTZ NOT NULL COMMENT 'Instant of the first publication',
  PRIMARY KEY (policy_id, policy_version)
) COMMENT 'One row per policy and version'
