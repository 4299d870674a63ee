-- Which accounts every customer's documents are seen at as of a day, at the grain of the policy: one row per account and customer.
SELECT
  owner.customer_id,
  owner.owner_id,
  customer.account_manager_id,
  customer.status,
  owner.opened_on,
  {% if grain == 'customer' %}
  owner.owner_id AS account_id
  {% elif grain == 'bill_to' %}
  COALESCE(payer.owner_id, owner.owner_id) AS account_id
  {% elif grain == 'group' %}
  COALESCE(customer.group_id, owner.owner_id) AS account_id
  {% elif grain == 'opportunity' %}
  opportunity.opportunity_id AS account_id
  {% else %}
  service_event.event_id AS account_id
  {% endif %}
FROM owner
JOIN known_customer AS customer ON customer.customer_id = owner.owner_id
{% if grain == 'bill_to' %}
LEFT JOIN owner AS payer ON payer.customer_id = customer.bill_to_id
{% elif grain == 'opportunity' %}
JOIN owner AS prospect ON prospect.owner_id = owner.owner_id
JOIN opportunity ON opportunity.customer_id = prospect.customer_id
{% elif grain == 'request' %}
JOIN owner AS caller ON caller.owner_id = owner.owner_id
JOIN service_event
  ON service_event.customer_id = caller.customer_id
  AND service_event.kind = 'request'
  AND service_event.closed_on IS NULL
{% endif %}
