-- The requests of a run, the latest last: one row each.
SELECT approval_id, request, asked_of, answered_by, answer, comment
FROM tiering.approval
WHERE run_id = :run_id
ORDER BY asked_at, approval_id
