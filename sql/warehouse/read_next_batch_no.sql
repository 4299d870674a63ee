-- The number of the next load: one row.
SELECT COALESCE(MAX(batch_no), 0) + 1 AS batch_no FROM tiering.batch
