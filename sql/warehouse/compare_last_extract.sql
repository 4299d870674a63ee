-- How many rows an extract holds, and how many the last one that was loaded held: one row.
SELECT
  (SELECT COUNT(*) FROM landing.{{ entity }} WHERE batch_id = :batch_id) AS found_rows,
  (
    SELECT COALESCE(SUM(extracted_rows), 0)
    FROM tiering.batch
    WHERE entity = '{{ entity }}'
      AND batch_no = (SELECT MAX(batch_no) FROM tiering.batch WHERE entity = '{{ entity }}')
  ) AS expected_rows
