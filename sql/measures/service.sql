-- Service of every account up to a day: one row per account that has any event.
{% from 'measures/calendar.jinja' import days_between %}
{% from 'measures/kinds.jinja' import is_kind %}
SELECT
  account.account_id
  {% for window in windows %}
  {% set inside = "service_event.opened_on > :start_" ~ window %}
  {% for kind in kinds.service_count %}
  , COUNT(
    CASE WHEN {{ inside }} AND {{ is_kind('service_event.kind', kind) }} THEN 1 END
  ) AS service_count{{ kind.suffix }}__{{ window }}
  {% endfor %}
  , COUNT(CASE WHEN {{ inside }} AND service_event.kind = 'complaint' THEN 1 END) AS complaint_count__{{ window }}
  , SUM(CASE WHEN {{ inside }} THEN service_event.satisfaction END) AS satisfaction__{{ window }}
  , COUNT(CASE WHEN {{ inside }} THEN service_event.satisfaction END) AS satisfied__{{ window }}
  , SUM(CASE WHEN {{ inside }} THEN service_event.answered_seconds END) AS answer_seconds__{{ window }}
  , COUNT(CASE WHEN {{ inside }} THEN service_event.answered_seconds END) AS answered__{{ window }}
  , COUNT(CASE WHEN {{ inside }} AND service_event.answered_seconds <= 20 THEN 1 END) AS within_20s__{{ window }}
  , COUNT(
    CASE WHEN {{ inside }} AND service_event.closed_on <= service_event.opened_on + 1 THEN 1 END
  ) AS within_24h__{{ window }}
  , COUNT(
    CASE WHEN {{ inside }} AND (service_event.closed_on IS NOT NULL OR service_event.opened_on < :as_of) THEN 1 END
  ) AS due_in_24h__{{ window }}
  , SUM(
    CASE WHEN {{ inside }} THEN {{ days_between('service_event.opened_on', 'service_event.closed_on') }} END
  ) AS close_days__{{ window }}
  , COUNT(CASE WHEN {{ inside }} THEN service_event.closed_on END) AS closed__{{ window }}
  {% endfor %}
FROM service_event
JOIN account ON account.customer_id = service_event.customer_id
GROUP BY account.account_id
