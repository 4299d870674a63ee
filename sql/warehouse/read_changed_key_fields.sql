-- Changes of key fields that are recent enough, with their source, by default those that no digest told: one row per standing change.
WITH loaded AS (
  SELECT DISTINCT batch_no, entity, extracted_at FROM tiering.batch
)
SELECT
  change.customer_id,
  named.name AS customer_name,
  named.account_manager_id,
  change.entity,
  change.field,
  change.before,
  change.after,
  change.changed_on,
  change.batch_id,
  change.assessed_by,
  change.recorded_at,
  loaded.extracted_at
FROM tiering.key_field_change AS change
LEFT JOIN {% include 'warehouse/latest_customer.jinja' %} AS named ON named.customer_id = change.customer_id
LEFT JOIN loaded ON loaded.batch_no = change.batch_no AND loaded.entity = change.entity
WHERE change.superseded_at IS NULL
  AND (:with_told OR change.digest_id IS NULL)
  AND change.changed_on > :told_after
  AND change.customer_id NOT IN (SELECT customer_id FROM tiering.erasure)
ORDER BY
  change.customer_id COLLATE "C",
  change.changed_on,
  change.entity,
  change.field COLLATE "C"
