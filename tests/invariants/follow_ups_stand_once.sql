-- Follow-ups that stand twice, whose days do not add up, or that are neither due by cadence nor a task that stands: one row each.
SELECT policy_id, customer_id, reason
FROM tiering.follow_up
GROUP BY policy_id, customer_id, reason
HAVING COUNT(*) > 1
UNION ALL
SELECT due.policy_id, due.customer_id, due.reason
FROM tiering.follow_up AS due
LEFT JOIN tiering.task AS task
  ON task.policy_id = due.policy_id AND task.customer_id = due.customer_id AND task.task = due.reason
WHERE due.overdue_days < 0
  OR due.last_contact_on > due.as_of
  OR (due.due_on <= due.as_of AND due.overdue_days <> date_diff('day', due.due_on, due.as_of))
  OR (due.due_on > due.as_of AND (due.overdue_days <> 0 OR due.reason = 'cadence'))
  OR (due.reason <> 'cadence' AND (task.task IS NULL OR task.due_on <> due.due_on))
