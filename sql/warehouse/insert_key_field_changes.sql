-- Records the changes of key fields that do not stand yet, with the load that brought them: one row per customer, field and day.
INSERT INTO tiering.key_field_change (
  customer_id, entity, field, before, after, changed_on, batch_no, batch_id, source_snapshot, assessed_by, evidence,
  recorded_at
)
WITH brought AS (
  SELECT DISTINCT batch_no, batch_id, source_snapshot
  FROM tiering.batch
)
SELECT
  found.customer_id,
  found.entity,
  found.field,
  found.before,
  found.after,
  found.changed_on,
  found.batch_no,
  brought.batch_id,
  brought.source_snapshot,
  found.assessed_by,
  found.evidence,
  CAST(:recorded_at AS TIMESTAMPTZ)
FROM work.key_field_change AS found
JOIN brought ON brought.batch_no = found.batch_no
WHERE found.customer_id NOT IN (SELECT customer_id FROM tiering.erasure)
  AND NOT EXISTS (
    SELECT 1
    FROM tiering.key_field_change AS standing
    WHERE standing.superseded_at IS NULL
      AND standing.customer_id = found.customer_id
      AND standing.entity = found.entity
      AND standing.field = found.field
      AND standing.changed_on = found.changed_on
  )
