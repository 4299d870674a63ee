-- Which account every customer belongs to as of a day, at the grain of the policy: one row per customer.
SELECT
  customer.customer_id,
  customer.account_manager_id,
  customer.status,
  {% if grain == 'customer' %}
  customer.customer_id AS account_id
  {% elif grain == 'bill_to' %}
  COALESCE(head.customer_id, customer.customer_id) AS account_id
  {% else %}
  COALESCE(customer.group_id, customer.customer_id) AS account_id
  {% endif %}
FROM known_customer AS customer
{% if grain == 'bill_to' %}
LEFT JOIN known_customer AS head ON head.customer_id = customer.bill_to_id
{% endif %}
