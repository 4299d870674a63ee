-- Tasks done by a contact that the latest run no longer finds and nobody has done: one row per account, days as they stood.
-- A task that was opened on the day itself and is not found any more was a mistake, and goes; so does one of an
-- account that is no longer in scope.
INSERT INTO tiering.task (
  policy_id, customer_id, task, opened_on, due_on, done_by_contact, title_en, title_zh, account_manager_id, run_id
)
WITH {% include 'measures/accounts_of_day.jinja' %},
contact AS (
  {% include 'measures/last_contact.sql' %}
)
SELECT
  standing.policy_id,
  standing.customer_id,
  standing.task,
  standing.opened_on,
  standing.due_on,
  TRUE,
  CAST(:title_en AS TEXT),
  CAST(:title_zh AS TEXT),
  decided.account_manager_id,
  decided.run_id
FROM tiering.task AS standing
JOIN work.decided AS decided ON decided.run_id = :run_id AND decided.customer_id = standing.customer_id
LEFT JOIN work.task AS found
  ON found.run_id = :run_id AND found.customer_id = standing.customer_id AND found.task = standing.task
LEFT JOIN contact ON contact.account_id = standing.customer_id
WHERE standing.policy_id = :policy_id
  AND standing.task = :task
  AND standing.run_id <> :run_id
  AND standing.opened_on < :as_of
  AND found.customer_id IS NULL
  AND NOT COALESCE(contact.last_contact_on > standing.opened_on, FALSE)
