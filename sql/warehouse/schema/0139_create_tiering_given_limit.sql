-- tiering.given_limit: credit limits given by people, with a reason and an approver.
CREATE TABLE tiering.given_limit (
  policy_id TEXT NOT NULL COMMENT 'Policy that gives credit',
  level TEXT NOT NULL COMMENT 'account (in place of the limit of the policy, for a while), group (what all its accounts may owe) or entity (what an account may owe one selling company)',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy; at level group, the group_id of the customers',
  entity TEXT NOT NULL COMMENT 'Selling company, at level entity; else empty',
  limit_amount DECIMAL(20, 4) COMMENT 'Limit in the reporting currency; empty: unlimited',
  is_mandatory BOOLEAN NOT NULL COMMENT 'Whether a limit of 0 means no credit; else one of 0 says nothing',
  reason TEXT NOT NULL COMMENT 'Why, such as a project or a season',
  requested_by TEXT NOT NULL COMMENT 'Who asked for it',
  approved_by TEXT COMMENT 'Who approved it; empty: nobody yet, and it has no effect',
  valid_from DATE NOT NULL COMMENT 'First day on which it holds',
  valid_to DATE COMMENT 'Day after the last day on which it holds; empty: until it is ended',
  recorded_at TIMESTAMPTZ COMMENT 'Instant at which a file brought the row; empty: written into the table',
  superseded_at TIMESTAMPTZ COMMENT 'Instant at which a later line for the same policy, level, customer, entity and first day took its place; empty: it stands. A row that does not stand has no effect',
  file_sha256 TEXT COMMENT 'File that brought the row; empty: written into the table',
  CHECK (level IN ('account', 'group', 'entity')),
  CHECK ((level = 'entity') = (entity <> '')),
  CHECK (limit_amount IS NULL OR limit_amount >= 0),
  CHECK (level <> 'account' OR valid_to IS NOT NULL),
  CHECK (valid_to IS NULL OR valid_to > valid_from)
) COMMENT 'Input, written by people. One row per policy, level, customer, entity, first day and version; of those that hold on a day, the one that begins later counts'
