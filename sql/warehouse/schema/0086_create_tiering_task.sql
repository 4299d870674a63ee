-- tiering.task: what somebody owes a customer, as the latest run of a policy left it.
CREATE TABLE tiering.task (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy',
  task TEXT NOT NULL COMMENT 'Task of the policy, such as exit_review',
  opened_on DATE NOT NULL COMMENT 'Day of the run that opened the task; the runs after it keep the day',
  due_on DATE NOT NULL COMMENT 'Day by which it is to be done',
  done_by_contact BOOLEAN NOT NULL COMMENT 'Whether a contact after opened_on ends it, and nothing else does; else it ends with its condition',
  title_en TEXT COMMENT 'Title, English',
  title_zh TEXT COMMENT 'Title, Chinese',
  account_manager_id TEXT COMMENT 'Account manager on the day of the latest run',
  run_id TEXT NOT NULL COMMENT 'Run of the latest published day'
) COMMENT 'One row per policy, customer and task; one that was done by a contact stays until its condition ends, and is not listed'
