-- Withdraws the changes of key fields that no longer hold; those of a field that is no key field any more stand.
-- So do those of an erased customer, whose values are replaced on both sides.
UPDATE tiering.key_field_change
SET superseded_at = :recorded_at
WHERE superseded_at IS NULL
  AND (entity = 'customers' OR STRPOS(:fields, ',' || field || ',') > 0)
  AND customer_id NOT IN (SELECT customer_id FROM tiering.erasure)
  AND NOT EXISTS (
    SELECT 1
    FROM work.key_field_change AS found
    WHERE found.customer_id = key_field_change.customer_id
      AND found.entity = key_field_change.entity
      AND found.field = key_field_change.field
      AND found.changed_on = key_field_change.changed_on
      AND found.before IS NOT DISTINCT FROM key_field_change.before
      AND found.after IS NOT DISTINCT FROM key_field_change.after
      AND found.assessed_by IS NOT DISTINCT FROM key_field_change.assessed_by
      AND found.evidence IS NOT DISTINCT FROM key_field_change.evidence
  )
