-- Versions that a load added or ended: one row.
SELECT COUNT(*) AS changed_rows
FROM facts.{{ entity }}
WHERE batch_no = :batch_no OR superseded_in = :batch_no
