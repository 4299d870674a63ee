-- Replaces what a column says of a customer.
{% from 'warehouse/parse.jinja' import trimmed %}
UPDATE {{ table }}
SET {{ column }} = :tombstone
WHERE {{ trimmed(key) }} = :customer_id
  AND {{ column }} IS NOT NULL
  AND {{ column }} <> :tombstone
  {% if only %}
  AND {{ only }}
  {% endif %}
