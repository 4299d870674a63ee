-- Keeps who is seen at every account as of a day: one row per account and customer.
INSERT INTO work.{{ members }} (account_id, customer_id, account_manager_id, first_opened_on, is_head)
WITH {% include 'measures/accounts_of_day.jinja' %}
{% include 'measures/members.sql' %}
