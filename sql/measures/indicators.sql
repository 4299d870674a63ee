-- The indicators of one policy: one row per account in scope. Statistics are taken over the graded accounts alone.
{% macro ordered(indicator) -%}
{{ indicator.source_indicator }} DESC NULLS LAST
{%- for tie in (indicator.ties.by if indicator.ties else []) %}, {{ 'account_id COLLATE "C"' if tie == 'customer_id' else tie ~ ' DESC NULLS LAST' }}{% endfor %}
{%- endmacro %}
WITH measured AS (
  SELECT
    account_id,
    account_manager_id,
    {% for name, column in columns.items() %}
    {{ column }} AS {{ name }},
    {% endfor %}
    {{ gate }} AS is_graded
  FROM {{ table }}
)
SELECT
  account_id,
  account_manager_id,
  {% for name in columns %}
  {{ name }},
  {% endfor %}
  {% for name, indicator in statistics.items() %}
  CASE WHEN is_graded THEN
    {% if indicator.top %}
    {{ indicator.of }} > 0 AND {{ "ROW_NUMBER()" if indicator.ties else "RANK()" }} OVER (PARTITION BY is_graded ORDER BY {{ ordered(indicator) }}) <= {{ indicator.top }}
    {% elif indicator.rank %}
    {{ "ROW_NUMBER()" if indicator.ties else "RANK()" }} OVER (PARTITION BY is_graded ORDER BY {{ ordered(indicator) }})
    {% elif indicator.count %}
    COUNT(*) OVER (PARTITION BY is_graded)
    {% else %}
    CAST(1 + (
      {{ indicator.quantile }} * (RANK() OVER (PARTITION BY is_graded ORDER BY {{ indicator.of }} NULLS FIRST) - 1)
    ) // COUNT(*) OVER (PARTITION BY is_graded) AS BIGINT)
    {% endif %}
  END AS {{ name }},
  {% endfor %}
  is_graded
FROM measured
ORDER BY account_id COLLATE "C"
