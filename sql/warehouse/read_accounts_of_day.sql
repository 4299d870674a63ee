-- Every account of a day at the grain of the policy: one row per account.
WITH {% include 'measures/accounts_of_day.jinja' %}
SELECT DISTINCT account_id COLLATE "C" AS account_id FROM account ORDER BY 1
