-- Measures that were taken before an instant, but for the newest of every grain: one row each.
SELECT measurement_id, as_of, grain, table_name, measured_rows
FROM tiering.measurement AS old
WHERE old.measured_at < :instant
  AND EXISTS (
    SELECT 1
    FROM tiering.measurement AS newer
    WHERE newer.grain = old.grain
      AND (newer.as_of > old.as_of OR (newer.as_of = old.as_of AND newer.measured_at > old.measured_at))
  )
ORDER BY measurement_id
