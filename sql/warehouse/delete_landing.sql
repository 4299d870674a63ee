-- Empties one partition of landing before it is filled again.
DELETE FROM landing.{{ entity }} WHERE batch_id = :batch_id
