-- Starts a try of a run; its number fences off every older try.
INSERT INTO tiering.run_attempt (run_id, attempt, started_at, host)
SELECT CAST(:run_id AS TEXT), COALESCE(MAX(attempt), 0) + 1, CAST(:started_at AS TIMESTAMPTZ), CAST(:host AS TEXT)
FROM tiering.run_attempt
WHERE run_id = :run_id
