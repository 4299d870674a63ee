-- Loads whose quarantined rows are not the rows kept in quarantine: one row each.
WITH counted AS (
  SELECT batch_no, entity, SUM(quarantined_rows) AS quarantined_rows FROM tiering.batch GROUP BY batch_no, entity
),
kept AS (
  SELECT batch_no, entity, COUNT(DISTINCT position) AS kept_rows FROM tiering.quarantine GROUP BY batch_no, entity
)
SELECT counted.batch_no, counted.entity, counted.quarantined_rows, kept.kept_rows
FROM counted
LEFT JOIN kept ON kept.batch_no = counted.batch_no AND kept.entity = counted.entity
WHERE counted.quarantined_rows <> COALESCE(kept.kept_rows, 0)
