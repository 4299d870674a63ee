-- Which accounts every customer is seen at as of a day, at the grain of the policy: one row per account and customer.
SELECT
  customer.customer_id,
  customer.account_manager_id,
  customer.status,
  customer.opened_on,
  {% if grain == 'customer' %}
  customer.customer_id AS account_id
  {% elif grain == 'bill_to' %}
  COALESCE(head.customer_id, customer.customer_id) AS account_id
  {% elif grain == 'group' %}
  COALESCE(customer.group_id, customer.customer_id) AS account_id
  {% elif grain == 'opportunity' %}
  opportunity.opportunity_id AS account_id
  {% else %}
  service_event.event_id AS account_id
  {% endif %}
FROM known_customer AS customer
{% if grain == 'bill_to' %}
LEFT JOIN known_customer AS head ON head.customer_id = customer.bill_to_id
{% elif grain == 'opportunity' %}
JOIN opportunity ON opportunity.customer_id = customer.customer_id
{% elif grain == 'request' %}
JOIN service_event
  ON service_event.customer_id = customer.customer_id
  AND service_event.kind = 'request'
  AND service_event.closed_on IS NULL
{% endif %}
