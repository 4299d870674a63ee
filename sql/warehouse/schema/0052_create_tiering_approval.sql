-- tiering.approval: requests and answers of people.
CREATE TABLE tiering.approval (
  approval_id TEXT NOT NULL COMMENT 'Hash of run, input and request, and the try that asked',
  policy_id TEXT NOT NULL COMMENT 'Policy',
  as_of DATE NOT NULL COMMENT 'Business day',
  revision INTEGER NOT NULL COMMENT 'Revision of the run',
  run_id TEXT NOT NULL COMMENT 'Run that asks',
  request TEXT NOT NULL COMMENT 'What is asked',
  asked_of TEXT NOT NULL COMMENT 'Roles that may answer',
  asked_at TIMESTAMPTZ NOT NULL COMMENT 'Instant of the request',
  answered_by TEXT COMMENT 'Who answered',
  answered_at TIMESTAMPTZ COMMENT 'Instant of the answer',
  answer TEXT COMMENT 'approved or rejected; empty: open',
  comment TEXT COMMENT 'Remark of the one who answered',
  PRIMARY KEY (approval_id)
) COMMENT 'One row per request'
