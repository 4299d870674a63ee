-- What the source itself counted in its snapshot: one row per entity and currency.
INSERT INTO work.extraction (
  batch_id, entity, currency, source_rows, source_amount, is_by_update, snapshot, extracted_at
)
VALUES (:batch_id, :entity, :currency, :source_rows, :source_amount, :is_by_update, :snapshot, :extracted_at)
