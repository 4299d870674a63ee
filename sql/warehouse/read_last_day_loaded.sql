-- The last day of the newest batch: one row.
SELECT MAX(batch_end) - 1 AS last_day FROM tiering.batch
