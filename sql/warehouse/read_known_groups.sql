-- The groups that the accounts of a grain belong to on a day: one row per group.
WITH {% include 'measures/accounts_of_day.jinja' %}
SELECT DISTINCT head.group_id
FROM account
JOIN known_customer AS head ON head.customer_id = account.account_id
WHERE head.group_id IS NOT NULL
