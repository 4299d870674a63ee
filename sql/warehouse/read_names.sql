-- Every name that the warehouse holds of a customer: one row per name.
{% from 'warehouse/parse.jinja' import trimmed %}
SELECT name FROM facts.customers WHERE customer_id = :customer_id AND name IS NOT NULL
UNION
SELECT name FROM landing.customers WHERE {{ trimmed("customer_id") }} = :customer_id AND name IS NOT NULL
