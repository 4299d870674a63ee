-- Values of a customer in a column that are not replaced yet: one row.
{% from 'warehouse/parse.jinja' import trimmed %}
SELECT COUNT(*) AS found
FROM {{ table }}
WHERE {{ trimmed(key) }} = :customer_id
  AND {{ column }} IS NOT NULL
  AND {{ column }} <> :tombstone
  {% if only %}
  AND {{ only }}
  {% endif %}
