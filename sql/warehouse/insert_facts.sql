-- Adds the versions that the facts do not have yet: one row per clean row that is new or changed.
INSERT INTO facts.{{ entity.name }} (
  {% for column in values %}{{ column }}, {% endfor %}{% for column in entity.key %}{{ column }}, {% endfor %}{{ "holds_from, " if entity.versioned }}batch_no
)
SELECT
  {% for column in values %}
  {{ "translated" if column in entity.derived else "parsed" }}.{{ column }},
  {% endfor %}
  {% for column in entity.key %}
  parsed.{{ column }},
  {% endfor %}
  {% if entity.versioned %}
  CAST(:holds_from AS DATE),
  {% endif %}
  CAST(:batch_no AS BIGINT)
FROM work.parsed_{{ entity.name }} AS parsed
{% if entity.translated %}
JOIN work.translated_{{ entity.name }} AS translated ON translated.position = parsed.position
{% endif %}
WHERE NOT EXISTS (
  SELECT 1
  FROM facts.{{ entity.name }} AS standing
  WHERE standing.superseded_in IS NULL
    {% for column in entity.key %}
    AND standing.{{ column }} = parsed.{{ column }}
    {% endfor %}
    {% if entity.versioned %}
    AND standing.holds_from = (
      SELECT MAX(latest.holds_from)
      FROM facts.{{ entity.name }} AS latest
      WHERE latest.superseded_in IS NULL
        {% for column in entity.key %}
        AND latest.{{ column }} = parsed.{{ column }}
        {% endfor %}
    )
    {% for column in values %}
    AND standing.{{ column }} IS NOT DISTINCT FROM parsed.{{ column }}
    {% endfor %}
    {% endif %}
)
