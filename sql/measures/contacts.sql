-- Contacts with every account up to a day: one row per account that has any.
{% from 'measures/kinds.jinja' import is_kind %}
SELECT
  account.account_id,
  MIN(fact.contacted_on) AS first_contacted_on
  {% for kind in kinds.days_since_contact %}
  , MAX(CASE WHEN {{ is_kind('fact.channel', kind) }} THEN fact.contacted_on END) AS contacted_on{{ kind.suffix }}
  {% endfor %}
  {% for window in windows %}
  {% set inside = "fact.contacted_on > :start_" ~ window %}
  {% for kind in kinds.contact_count %}
  , COUNT(CASE WHEN {{ inside }} AND {{ is_kind('fact.channel', kind) }} THEN 1 END) AS contact_count{{ kind.suffix }}__{{ window }}
  {% endfor %}
  , COUNT(CASE WHEN {{ inside }} AND fact.direction = 'inbound' THEN 1 END) AS inbound_count__{{ window }}
  , COUNT(
    CASE
      WHEN {{ inside }} AND fact.channel = 'visit'
        AND (sales.last_sold_on__ever IS NULL OR fact.contacted_on > sales.last_sold_on__ever)
      THEN 1
    END
  ) AS visits_without_effect__{{ window }}
  {% endfor %}
FROM facts.contacts AS fact
JOIN account ON account.customer_id = fact.customer_id
LEFT JOIN sales ON sales.account_id = account.account_id
WHERE fact.contacted_on <= :as_of
  AND fact.batch_no <= :facts_batch_no
  AND (fact.superseded_in IS NULL OR fact.superseded_in > :facts_batch_no)
GROUP BY account.account_id
