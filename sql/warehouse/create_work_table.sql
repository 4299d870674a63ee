-- A work table: any run may rebuild it, nothing that is published lives in it.
CREATE TABLE work.{{ table }} (
  {% for name, type in columns.items() %}
  {{ name }} {{ type }}{{ "," if not loop.last }}
  {% endfor %}
)
