-- Account managers with follow-ups that were overdue when the week began, and who were not told in it: one row each.
SELECT DISTINCT due.account_manager_id
FROM tiering.follow_up AS due
WHERE due.overdue_days > 0
  AND due.due_on < :listed_on
  AND NOT EXISTS (
    SELECT 1
    FROM tiering.told_follow_up AS told
    WHERE told.account_manager_id IS NOT DISTINCT FROM due.account_manager_id AND told.week_on >= :week_on
  )
ORDER BY due.account_manager_id
