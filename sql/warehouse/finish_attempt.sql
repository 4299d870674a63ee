-- Ends a try of a run.
UPDATE tiering.run_attempt
SET finished_at = :finished_at, outcome = :outcome, error = :error, timings = :timings
WHERE run_id = :run_id AND attempt = :attempt
