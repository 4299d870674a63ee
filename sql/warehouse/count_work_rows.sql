-- Rows of a work table: one row.
SELECT COUNT(*) AS counted_rows FROM work.{{ table }}
