-- The rows of an entity in the batches before an interval that are about as long, each as it was loaded last: one row per batch, newest first.
WITH loaded AS (
  SELECT
    batch_id,
    batch_start,
    batch_end,
    batch_no,
    SUM(extracted_rows) AS extracted_rows,
    ROW_NUMBER() OVER (PARTITION BY batch_id ORDER BY batch_no DESC) AS nth
  FROM tiering.batch
  WHERE entity = :entity AND batch_end <= :batch_start
  GROUP BY batch_id, batch_start, batch_end, batch_no
)
SELECT extracted_rows
FROM loaded
WHERE nth = 1
  AND date_diff('day', batch_start, batch_end) BETWEEN :shortest AND :longest
ORDER BY batch_end DESC, batch_start DESC
LIMIT 7
