-- Replaces a name in rows of customers that have no customer number.
{% from 'warehouse/parse.jinja' import trimmed %}
UPDATE {{ table }}
SET name = :tombstone{% if has_content %}, content = :tombstone{% endif %}

WHERE {{ trimmed("customer_id") }} IS NULL AND {{ trimmed("name") }} = :name
