-- The accounts of a grain that the facts know on a day: one row per account.
WITH {% include 'measures/accounts_of_day.jinja' %}
SELECT DISTINCT account_id
FROM account
