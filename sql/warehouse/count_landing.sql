-- Rows of one landed partition: one row.
SELECT COUNT(*) AS landed_rows FROM landing.{{ entity }} WHERE batch_id = :batch_id
