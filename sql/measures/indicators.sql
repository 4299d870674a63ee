-- The indicators of one policy: one row per account in scope. Statistics are taken over the graded accounts alone.
{% from 'measures/exact.jinja' import cut_off, ratio, units %}
{% from 'measures/statistics.jinja' import cuts_below, cuts_passed, is_counted, ntile, ordered, partition %}
WITH measured AS (
  SELECT
    account_id,
    account_manager_id,
    {% for name, column in columns.items() %}
    {{ column }} AS "{{ name }}",
    {% endfor %}
    {{ gate }} AS is_graded
  FROM {{ table }}
),
placed AS (
  SELECT
    account_id,
    account_manager_id,
    {% for name in columns %}
    "{{ name }}",
    {% endfor %}
    {% for statistic in statistics if statistic.kind != "count" %}
    {% set this, value = loop.index, units('"' ~ statistic.of ~ '"', statistic.digits) %}
    COUNT("{{ statistic.of }}") OVER ({{ partition(statistic) }}) AS _accounts_{{ this }},
    {% if statistic.kind in ("share", "cumulative_share") %}
    {{ value }} AS _value_{{ this }},
    SUM({{ value }}) OVER ({{ partition(statistic) }}) AS _total_{{ this }},
    {% endif %}
    {% if statistic.kind == "cumulative_share" %}
    SUM({{ value }}) OVER (
      {{ partition(statistic) }} ORDER BY {{ ordered(statistic, True) }}
      RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS _cumulated_{{ this }},
    SUM({{ value }}) OVER (
      {{ partition(statistic) }}, "{{ statistic.of }}"
      {%- for tie in statistic.ties %}, {{ "account_id" if tie == "customer_id" else '"' ~ tie ~ '"' }}{% endfor %}
    ) AS _tied_{{ this }},
    {% endif %}
    {% if statistic.method == "r_rfm" %}
    {% set reached = partition(statistic) ~ ' ORDER BY "' ~ statistic.of ~ '" ASC NULLS LAST RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING' %}
    {% set within_one = partition(statistic) ~ ' ORDER BY "' ~ statistic.of ~ '" ASC NULLS LAST RANGE BETWEEN 1 PRECEDING AND CURRENT ROW' %}
    {{ value }} AS _value_{{ this }},
    COUNT("{{ statistic.of }}") OVER ({{ reached }}) AS _reached_{{ this }},
    MAX({{ value }}) OVER ({{ reached }}) AS _low_{{ this }},
    MIN({{ value }}) OVER ({{ within_one }}) AS _high_{{ this }},
    {% endif %}
    {% if statistic.method == "pandas" %}
    RANK() OVER ({{ partition(statistic) }} ORDER BY "{{ statistic.of }}" ASC NULLS LAST) AS _place_{{ this }},
    {% else %}
    RANK() OVER ({{ partition(statistic) }} ORDER BY {{ ordered(statistic, statistic.kind != "quantile") }}) AS _place_{{ this }},
    {% endif %}
    {% endfor %}
    is_graded
  FROM measured
)
SELECT
  account_id,
  account_manager_id,
  {% for name in columns %}
  "{{ name }}",
  {% endfor %}
  {% for statistic in statistics if statistic.kind != "count" %}
  {% set this, n = loop.index, statistic.number %}
  {% set place, accounts = "_place_" ~ this, "_accounts_" ~ this %}
  CASE WHEN {{ is_counted(statistic) }}{{ ' AND "' ~ statistic.of ~ '" IS NOT NULL' if statistic.kind != "top" }} THEN
    {% if statistic.kind == "top" %}
    "{{ statistic.of }}" IS NOT NULL AND {{ place }} <= {{ n }}{{ ' AND "' ~ statistic.of ~ '" > 0' if statistic.is_high_best }}
    {% elif statistic.kind == "rank" %}
    {{ place }}
    {% elif statistic.kind == "percent_rank" %}
    COALESCE({{ ratio(place ~ " - 1", accounts ~ " - 1", 0) }}, 0)
    {% elif statistic.kind == "share" %}
    CASE WHEN _total_{{ this }} > 0 THEN {{ cut_off("_value_" ~ this, "_total_" ~ this) }} END
    {% elif statistic.kind == "cumulative_share" %}
    {% set above = "_cumulated_" ~ this ~ ("" if statistic.counts_own else " - _tied_" ~ this) %}
    CASE WHEN _total_{{ this }} > 0 THEN {{ cut_off("(" ~ above ~ ")", "_total_" ~ this) }} END
    {% elif statistic.method == "rank" %}
    CAST(1 + ({{ n }} * ({{ place }} - 1)) // {{ accounts }} AS BIGINT)
    {% elif statistic.method == "ntile" %}
    CAST({{ ntile(n, place, accounts) }} AS BIGINT)
    {% elif statistic.method == "pandas" %}
    {% set passed = cuts_below(n, place, accounts) %}
    CAST({{ "1 + " ~ passed if statistic.is_high_best else n ~ " - " ~ passed }} AS BIGINT)
    {% else %}
    {% set passed = cuts_passed(n, "_value_" ~ this, "1" ~ "0" * statistic.digits, "_reached_" ~ this, "_low_" ~ this, "_high_" ~ this, accounts) %}
    CAST({{ "1 + " ~ passed if statistic.is_high_best else n ~ " - " ~ passed }} AS BIGINT)
    {% endif %}
  END AS "{{ statistic.name }}",
  {% endfor %}
  {% for statistic in statistics if statistic.kind == "count" %}
  CASE WHEN {{ is_counted(statistic) }} THEN COUNT(*) OVER ({{ partition(statistic) }}) END AS "{{ statistic.name }}",
  {% endfor %}
  is_graded
FROM placed
ORDER BY account_id COLLATE "C"
