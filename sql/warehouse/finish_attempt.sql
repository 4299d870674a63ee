-- Ends a try of a run; one that has published stays recorded as such.
UPDATE tiering.run_attempt
SET finished_at = :finished_at, outcome = :outcome, error = :error, timings = :timings
WHERE run_id = :run_id AND attempt = :attempt AND outcome IS DISTINCT FROM 'published'
