-- Tasks that the latest run found: one row per account; one that stood already keeps its days.
INSERT INTO tiering.task (
  policy_id, customer_id, task, opened_on, due_on, done_by_contact, title_en, title_zh, account_manager_id, run_id
)
SELECT
  CAST(:policy_id AS TEXT),
  found.customer_id,
  found.task,
  COALESCE(standing.opened_on, CAST(:as_of AS DATE)),
  COALESCE(standing.due_on, CAST(:due_on AS DATE)),
  CAST(:done_by_contact AS BOOLEAN),
  CAST(:title_en AS TEXT),
  CAST(:title_zh AS TEXT),
  decided.account_manager_id,
  found.run_id
FROM work.task AS found
JOIN work.decided AS decided ON decided.run_id = found.run_id AND decided.customer_id = found.customer_id
LEFT JOIN tiering.task AS standing
  ON standing.policy_id = :policy_id AND standing.customer_id = found.customer_id AND standing.task = found.task
WHERE found.run_id = :run_id AND found.task = :task
