-- What a run was decided on: one row per account, in the order of the ids.
SELECT customer_id, input_hash
FROM work.decided
WHERE run_id = :run_id
ORDER BY customer_id COLLATE "C"
