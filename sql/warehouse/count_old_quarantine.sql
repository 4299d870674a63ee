-- Refused rows of loads before an instant that are not emptied yet: one row.
SELECT COUNT(*) AS pruned_rows
FROM tiering.quarantine AS quarantine
WHERE quarantine.row_json <> '{}'
  AND EXISTS (SELECT 1 FROM tiering.batch AS batch WHERE batch.batch_no = quarantine.batch_no AND batch.loaded_at < :instant)
