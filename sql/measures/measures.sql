-- Every measure that is asked for, as of a day: one row per account in scope. The columns come from measures/library.jinja.
-- A LEFT JOIN here adds columns and never rows: one that no column needs is left out, and so is a CTE that nothing reads.
WITH {% include 'measures/accounts_of_day.jinja' %},
population AS (
  {% include 'measures/population.sql' %}
),
sales_line AS NOT MATERIALIZED (
  {% include 'measures/sales_line.sql' %}
),
sales AS (
  {% include 'measures/sales.sql' %}
),
first_purchase AS (
  {% include 'measures/first_purchase.sql' %}
),
orders AS (
  {% include 'measures/orders.sql' %}
),
{% include 'measures/open_items_of_day.jinja' %},
payments AS (
  {% include 'measures/payments.sql' %}
),
receivables AS (
  {% include 'measures/receivables.sql' %}
),
settlements AS (
  {% include 'measures/settlements.sql' %}
),
open_order AS (
  {% include 'measures/open_order.sql' %}
),
open_orders AS (
  {% include 'measures/open_orders.sql' %}
),
contacts AS (
  {% include 'measures/contacts.sql' %}
),
service AS (
  {% include 'measures/service.sql' %}
),
surveys AS (
  {% include 'measures/surveys.sql' %}
),
balances AS (
  {% include 'measures/balances.sql' %}
),
opportunities AS (
  {% include 'measures/opportunities.sql' %}
),
prescriptions AS (
  {% include 'measures/prescriptions.sql' %}
),
{% if further_attributes %}
attributes AS (
  {% include 'measures/attributes.sql' %}
),
{% endif %}
{% if assessments %}
assessments AS (
  {% include 'measures/assessments.sql' %}
),
{% endif %}
events AS (
  {% include 'measures/events.sql' %}
)
SELECT
  population.account_id,
  population.account_manager_id
  {% for column in columns %}
  , {{ column }}
  {% endfor %}
FROM population
LEFT JOIN known_customer AS head ON head.customer_id = population.customer_id
LEFT JOIN sales ON sales.account_id = population.account_id
LEFT JOIN first_purchase ON first_purchase.account_id = population.account_id
LEFT JOIN orders ON orders.account_id = population.account_id
LEFT JOIN payments ON payments.account_id = population.account_id
LEFT JOIN receivables ON receivables.account_id = population.account_id
LEFT JOIN settlements ON settlements.account_id = population.account_id
LEFT JOIN open_orders ON open_orders.account_id = population.account_id
LEFT JOIN contacts ON contacts.account_id = population.account_id
LEFT JOIN service ON service.account_id = population.account_id
LEFT JOIN surveys ON surveys.account_id = population.account_id
LEFT JOIN balances ON balances.account_id = population.account_id
LEFT JOIN opportunities ON opportunities.account_id = population.account_id
LEFT JOIN prescriptions ON prescriptions.account_id = population.account_id
LEFT JOIN attributes ON attributes.customer_id = population.customer_id
LEFT JOIN assessments ON assessments.account_id = population.account_id
LEFT JOIN events ON events.account_id = population.account_id
{% if grain == 'opportunity' %}
LEFT JOIN opportunity ON opportunity.opportunity_id = population.account_id
{% elif grain == 'request' %}
LEFT JOIN service_event ON service_event.event_id = population.account_id
{% endif %}
