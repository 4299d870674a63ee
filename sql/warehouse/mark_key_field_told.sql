-- Keeps which digest told a change of a key field.
UPDATE tiering.key_field_change
SET digest_id = :digest_id
WHERE digest_id IS NULL
  AND superseded_at IS NULL
  AND customer_id = :customer_id
  AND entity = :entity
  AND field = :field
  AND changed_on = :changed_on
