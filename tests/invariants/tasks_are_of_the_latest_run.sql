-- Tasks that stand twice, are not of their policy's latest published run, or are due before they were opened: one row each.
-- A day on which only people decided has revision 0, and finds no tasks.
SELECT policy_id, customer_id, task
FROM tiering.task
GROUP BY policy_id, customer_id, task
HAVING COUNT(*) > 1
UNION ALL
SELECT task.policy_id, task.customer_id, task.task
FROM tiering.task AS task
LEFT JOIN tiering.run AS run
  ON run.run_id = task.run_id AND run.policy_id = task.policy_id AND run.status = 'published'
WHERE run.run_id IS NULL
  OR task.opened_on > run.as_of
  OR task.due_on < task.opened_on
  OR EXISTS (
    SELECT 1
    FROM tiering.run AS later
    WHERE later.policy_id = run.policy_id
      AND later.status = 'published' AND later.revision > 0
      AND (later.as_of > run.as_of OR (later.as_of = run.as_of AND later.revision > run.revision))
  )
