-- Who is in scope on a day: one row per account whose head has not left.
SELECT account_id, account_manager_id, customer_id, first_opened_on
FROM (
  {% include 'measures/members.sql' %}
) AS member
WHERE is_head
