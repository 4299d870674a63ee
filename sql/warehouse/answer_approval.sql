-- The answer to the open requests of a run.
UPDATE tiering.approval
SET answered_by = :answered_by, answered_at = :answered_at, answer = :answer, comment = :comment
WHERE run_id = :run_id AND answer IS NULL
