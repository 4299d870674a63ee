-- How a try of a run ended; empty while it is under way: one row.
SELECT outcome
FROM tiering.run_attempt
WHERE run_id = :run_id AND attempt = :attempt
