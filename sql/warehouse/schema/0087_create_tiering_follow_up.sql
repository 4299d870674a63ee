-- tiering.follow_up: who is to be contacted.
CREATE TABLE tiering.follow_up (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy',
  reason TEXT NOT NULL COMMENT 'cadence, or the task of the policy',
  title_en TEXT COMMENT 'Title of the task, English; empty for the cadence',
  title_zh TEXT COMMENT 'Title of the task, Chinese; empty for the cadence',
  tier TEXT COMMENT 'Tier (or class) in force on as_of; empty for a task of a customer without one',
  last_contact_on DATE COMMENT 'Latest contact up to as_of; empty: none is known',
  due_on DATE NOT NULL COMMENT 'Day by which the customer is to be contacted or the task to be done; without a known contact, counted from the day the tier began (of a class: from the first decision)',
  overdue_days BIGINT NOT NULL COMMENT 'Days from due_on to as_of, 0 when due_on is not past',
  account_manager_id TEXT COMMENT 'Account manager on the latest published day',
  as_of DATE NOT NULL COMMENT 'Day the list was made for'
) COMMENT 'One row per policy, customer and reason: contacts due by the tier''s cadence, and tasks that stand'
