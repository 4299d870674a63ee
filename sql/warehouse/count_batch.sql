-- Whether an interval of days was loaded before: one row.
SELECT COUNT(*) AS loads FROM tiering.batch WHERE batch_id = :batch_id
