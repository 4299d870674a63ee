-- The latest balances of every account on or before a day, its customers' added: one row per account that has any.
{% from 'measures/kinds.jinja' import is_kind %}
SELECT
  account.account_id
  {% for kind in kinds.balance %}
  , SUM(CASE WHEN {{ is_kind('latest.kind', kind) }} THEN latest.amount END) AS balance{{ kind.suffix }}
  {% endfor %}
FROM (
  SELECT
    customer_id,
    kind,
    amount,
    ROW_NUMBER() OVER (PARTITION BY customer_id, kind ORDER BY as_of DESC) AS nth
  FROM facts.balances
  WHERE as_of <= :as_of
    AND batch_no <= :facts_batch_no
    AND (superseded_in IS NULL OR superseded_in > :facts_batch_no)
) AS latest
JOIN account ON account.customer_id = latest.customer_id
WHERE latest.nth = 1
GROUP BY account.account_id
