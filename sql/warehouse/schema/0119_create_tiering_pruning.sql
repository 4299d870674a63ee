-- tiering.pruning: what was removed because nobody keeps it any longer; never pruned itself.
CREATE TABLE tiering.pruning (
  pruning_no BIGINT NOT NULL COMMENT 'Number of the pruning run',
  what TEXT NOT NULL COMMENT 'decisions (with exclusions), components, landing, attempts, mails (bodies) or quarantine (rows as the source said them)',
  policy_id TEXT NOT NULL COMMENT 'Policy; - where it is about none',
  outcome TEXT NOT NULL COMMENT 'pruned, or noop where nothing was left to remove',
  kept_days INTEGER NOT NULL COMMENT 'Days that the settings keep',
  up_to DATE NOT NULL COMMENT 'First day that is kept: what lies before it is gone',
  pruned_rows BIGINT NOT NULL COMMENT 'Rows removed, or emptied',
  pruned_on DATE NOT NULL COMMENT 'Business day the run counted from; decisions and components count from the newest published day',
  run_id TEXT NOT NULL COMMENT 'Run of the scheduler, or by hand',
  recorded_at TIMESTAMPTZ NOT NULL COMMENT 'Instant of the removal',
  PRIMARY KEY (pruning_no, what, policy_id)
) COMMENT 'One row per pruning run, kind of rows and policy'
