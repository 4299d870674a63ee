-- tiering.follow_up: who is to be contacted.
CREATE TABLE tiering.follow_up (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy',
  reason TEXT NOT NULL COMMENT 'cadence, or the task of the policy',
  title_en TEXT COMMENT 'Title of the task, English; empty for the cadence',
  title_zh TEXT COMMENT 'Title of the task, Chinese; empty for the cadence',
  tier TEXT COMMENT 'Tier in force',
  last_contact_on DATE COMMENT 'Latest contact up to as_of; empty: none is known',
  due_on DATE NOT NULL COMMENT 'Day by which the customer is to be contacted or the task to be done',
  overdue_days BIGINT NOT NULL COMMENT 'Days past due_on, 0 when it is not past',
  account_manager_id TEXT COMMENT 'Account manager',
  as_of DATE NOT NULL COMMENT 'Day the list was made for'
) COMMENT 'One row per policy, customer and reason: contacts due by the tier''s cadence, and tasks that stand'
