-- Survey answers of every account up to a day: one row per account that has any.
{% from 'measures/kinds.jinja' import is_kind %}
SELECT
  account.account_id
  {% for window in windows %}
  {% set inside = "fact.answered_on > :start_" ~ window %}
  , COUNT(CASE WHEN {{ inside }} THEN fact.score END) AS survey_count__{{ window }}
  {% for kind in kinds.average_survey_score %}
  , SUM(CASE WHEN {{ inside }} AND {{ is_kind('fact.question', kind) }} THEN fact.score END) AS score{{ kind.suffix }}__{{ window }}
  , COUNT(CASE WHEN {{ inside }} AND {{ is_kind('fact.question', kind) }} THEN fact.score END) AS scores{{ kind.suffix }}__{{ window }}
  {% endfor %}
  {% endfor %}
FROM facts.surveys AS fact
JOIN account ON account.customer_id = fact.customer_id
WHERE fact.answered_on <= :as_of
  AND fact.batch_no <= :facts_batch_no
  AND (fact.superseded_in IS NULL OR fact.superseded_in > :facts_batch_no)
GROUP BY account.account_id
