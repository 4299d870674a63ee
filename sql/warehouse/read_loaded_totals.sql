-- Rows of every load per entity: one row per entity.
SELECT
  entity,
  SUM(extracted_rows) AS extracted_rows,
  SUM(loaded_rows) AS loaded_rows,
  SUM(quarantined_rows) AS quarantined_rows
FROM tiering.batch
GROUP BY entity
HAVING SUM(extracted_rows) > 0
ORDER BY entity
