-- The newest try of a run: one row.
SELECT MAX(attempt) AS attempt FROM tiering.run_attempt WHERE run_id = :run_id
