-- Empties refused rows of loads before an instant; that they were refused, by which rule and of whom, stays.
UPDATE tiering.quarantine
SET row_json = '{}'
WHERE row_json <> '{}'
  AND EXISTS (SELECT 1 FROM tiering.batch AS batch WHERE batch.batch_no = quarantine.batch_no AND batch.loaded_at < :instant)
