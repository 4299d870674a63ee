-- Replaces what a landed batch says of customers that were erased, before anything else reads it.
{% from 'warehouse/parse.jinja' import trimmed %}
UPDATE landing.{{ entity }}
SET {{ column }} = :tombstone
WHERE batch_id = :batch_id
  AND {{ column }} IS NOT NULL
  AND {{ trimmed("customer_id") }} IN (SELECT customer_id FROM tiering.erasure)
