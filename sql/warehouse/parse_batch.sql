-- Parses one landed partition: one row per landed row, a value that cannot be read is NULL and named in unreadable.
{% from 'warehouse/parse.jinja' import parsed, trimmed %}
INSERT INTO work.parsed_{{ entity.name }} (
  position, row_key, content, unreadable, {{ entity.columns | join(', ') }}
)
SELECT
  position,
  {% for column in entity.key %}
  {{ "COALESCE(" if column in entity.optional }}CAST({{ parsed(column, entity.columns[column]) }} AS TEXT){{ ", '')" if column in entity.optional }}{{ " || '|' || " if not loop.last }}
  {%- endfor %} AS row_key,
  {% for column in entity.columns %}
  COALESCE({{ column }}, CHR(30)) || CHR(31){{ " || " if not loop.last }}
  {%- endfor %} AS content,
  NULLIF(
    {% for column, kind in entity.columns.items() if kind not in ('text', 'id', 'currency') %}
    CASE WHEN {{ trimmed(column) }} IS NOT NULL AND {{ parsed(column, kind) }} IS NULL THEN '{{ column }} ' ELSE '' END ||
    {% endfor %}
    '', ''
  ) AS unreadable,
  {% for column, kind in entity.columns.items() %}
  {{ "COALESCE(" if column in entity.key and column in entity.optional }}{{ parsed(column, kind) }}
  {{- ", '')" if column in entity.key and column in entity.optional }} AS {{ column }}{{ "," if not loop.last }}
  {% endfor %}
FROM landing.{{ entity.name }}
WHERE batch_id = :batch_id
