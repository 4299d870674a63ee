-- What was extracted for a batch: one row per entity and currency.
SELECT entity, currency, is_by_update, snapshot, extracted_at
FROM work.extraction
WHERE batch_id = :batch_id
ORDER BY entity, currency
