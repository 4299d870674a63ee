-- Life events and abnormal events of every account up to a day: one row per account that has any.
{% from 'measures/kinds.jinja' import is_kind %}
SELECT
  account.account_id
  {% for kind in kinds.days_since_event %}
  , MAX(CASE WHEN {{ is_kind('fact.kind', kind) }} THEN fact.happened_on END) AS happened_on{{ kind.suffix }}
  {% endfor %}
  {% for window in windows %}
  {% for kind in kinds.event_count %}
  , COUNT(
    CASE WHEN fact.happened_on > :start_{{ window }} AND {{ is_kind('fact.kind', kind) }} THEN 1 END
  ) AS event_count{{ kind.suffix }}__{{ window }}
  {% endfor %}
  {% endfor %}
FROM facts.events AS fact
JOIN account ON account.customer_id = fact.customer_id
WHERE fact.happened_on <= :as_of
  AND fact.batch_no <= :facts_batch_no
  AND (fact.superseded_in IS NULL OR fact.superseded_in > :facts_batch_no)
GROUP BY account.account_id
