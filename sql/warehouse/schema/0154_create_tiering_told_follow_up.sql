-- tiering.told_follow_up: account managers whose overdue follow-ups the mail of a week has told.
CREATE TABLE tiering.told_follow_up (
  account_manager_id TEXT COMMENT 'Account manager who was told; empty: nobody, so that the fallback was',
  week_on DATE NOT NULL COMMENT 'Day on which the week began: the weekday of TIERING_FOLLOW_UPS_ON',
  digest_id TEXT NOT NULL COMMENT 'Digest that told it'
) COMMENT 'One row per account manager who was told this week; nobody is told twice in one'
