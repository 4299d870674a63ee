-- tiering.task: what the latest run of a policy found that somebody owes a customer.
CREATE TABLE tiering.task (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy',
  task TEXT NOT NULL COMMENT 'Task of the policy, such as exit_review',
  opened_on DATE NOT NULL COMMENT 'First published day since which the task stands without a break',
  due_on DATE NOT NULL COMMENT 'Day by which it is to be done',
  done_by_contact BOOLEAN NOT NULL COMMENT 'Whether a contact after opened_on does it; else it stands until its condition ends',
  title_en TEXT COMMENT 'Title, English',
  title_zh TEXT COMMENT 'Title, Chinese',
  account_manager_id TEXT COMMENT 'Account manager on the day',
  run_id TEXT NOT NULL COMMENT 'Run of the latest published day'
) COMMENT 'One row per policy, customer and task that stands'
