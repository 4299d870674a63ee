-- How fresh what was loaded is: one row per entity that was ever loaded, with its last batch and what stands in quarantine.
WITH batch AS (
  SELECT
    entity,
    batch_no,
    batch_id,
    source_snapshot,
    extracted_at,
    batch_end - 1 AS through_on,
    SUM(extracted_rows) AS extracted_rows
  FROM tiering.batch
  GROUP BY entity, batch_no, batch_id, source_snapshot, extracted_at, batch_end
),
latest AS (
  SELECT
    entity,
    batch_no,
    batch_id,
    source_snapshot,
    extracted_at,
    through_on,
    ROW_NUMBER() OVER (PARTITION BY entity ORDER BY through_on DESC, batch_no DESC) AS nth
  FROM batch
),
delivered AS (
  SELECT entity, MAX(through_on) AS rows_through_on
  FROM batch
  WHERE extracted_rows > 0
  GROUP BY entity
),
refused AS (
  SELECT entity, COUNT(*) AS quarantined_rows
  FROM (
    SELECT DISTINCT entity, batch_no, position
    FROM tiering.quarantine
    WHERE superseded_in IS NULL
  ) AS standing
  GROUP BY entity
)
SELECT
  latest.entity,
  latest.batch_no,
  latest.batch_id,
  latest.source_snapshot,
  latest.extracted_at,
  latest.through_on,
  delivered.rows_through_on,
  date_diff('day', latest.through_on, CAST(:today AS DATE)) AS days_old,
  COALESCE(refused.quarantined_rows, 0) AS quarantined_rows
FROM latest
LEFT JOIN delivered ON delivered.entity = latest.entity
LEFT JOIN refused ON refused.entity = latest.entity
WHERE latest.nth = 1
ORDER BY latest.entity
