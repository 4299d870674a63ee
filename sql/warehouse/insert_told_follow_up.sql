-- Notes that a digest has told an account manager of a week's overdue follow-ups.
INSERT INTO tiering.told_follow_up (account_manager_id, week_on, digest_id)
VALUES (:account_manager_id, :week_on, :digest_id)
