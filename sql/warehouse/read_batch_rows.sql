-- Rows of one load: one row per entity.
SELECT
  entity,
  SUM(extracted_rows) AS extracted_rows,
  SUM(loaded_rows) AS loaded_rows,
  SUM(quarantined_rows) AS quarantined_rows
FROM tiering.batch
WHERE batch_no = :batch_no
GROUP BY entity
ORDER BY entity
