-- From which day to which an entity was loaded without a gap: one row per entity and stretch of days; the end is not included.
WITH loaded AS (
  SELECT DISTINCT entity, batch_start, batch_end
  FROM tiering.batch
  WHERE batch_no <= :facts_batch_no
),
followed AS (
  SELECT
    entity,
    batch_start,
    batch_end,
    MAX(batch_end) OVER (
      PARTITION BY entity ORDER BY batch_start, batch_end ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS reached
  FROM loaded
),
numbered AS (
  SELECT
    entity,
    batch_start,
    batch_end,
    SUM(CASE WHEN reached IS NULL OR batch_start > reached THEN 1 ELSE 0 END) OVER (
      PARTITION BY entity ORDER BY batch_start, batch_end
    ) AS stretch
  FROM followed
)
SELECT entity, MIN(batch_start) AS stretch_start, MAX(batch_end) AS stretch_end
FROM numbered
GROUP BY entity, stretch
ORDER BY entity, stretch_start
