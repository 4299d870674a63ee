-- Intervals of days that were loaded: one row per required dated entity and interval.
SELECT DISTINCT entity, batch_start, batch_end
FROM tiering.batch
WHERE entity IN ('sales', 'receivables', 'payments')
ORDER BY entity, batch_start, batch_end
