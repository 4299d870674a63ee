-- How many accounts a run that is not published yet looked at: one row.
SELECT COUNT(*) AS decided
FROM work.decided
WHERE run_id = :run_id
