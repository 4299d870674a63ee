-- Ends the versions that this batch replaces, and those that its interval no longer holds.
UPDATE facts.{{ entity.name }}
SET superseded_in = :batch_no
WHERE superseded_in IS NULL
  {% if entity.versioned %}
  AND holds_from >= :holds_from
  {% endif %}
  AND (
    EXISTS (
      SELECT 1
      FROM work.parsed_{{ entity.name }} AS parsed
      {% if entity.translated %}
      JOIN work.translated_{{ entity.name }} AS translated ON translated.position = parsed.position
      {% endif %}
      WHERE {% for column in entity.key %}parsed.{{ column }} = {{ entity.name }}.{{ column }} AND {% endfor %}(
        {% for column in values %}
        {{ "translated" if column in entity.derived else "parsed" }}.{{ column }} IS DISTINCT FROM {{ entity.name }}.{{ column }}{{ " OR" if not loop.last }}
        {% else %}
        FALSE
        {% endfor %}
      )
    )
    {% if withdraws %}
    OR (
      {% if entity.dated_by %}
      {{ entity.dated_by }} >= :batch_start AND {{ entity.dated_by }} < :batch_end AND
      {% endif %}
      NOT EXISTS (
        SELECT 1
        FROM work.parsed_{{ entity.name }} AS parsed
        WHERE {% for column in entity.key %}parsed.{{ column }} = {{ entity.name }}.{{ column }}{{ " AND " if not loop.last }}{% endfor %}
      )
      AND NOT EXISTS (
        SELECT 1
        FROM work.refused AS refused
        WHERE refused.entity = '{{ entity.name }}'
          AND refused.row_key = {% for column in entity.key %}CAST({{ entity.name }}.{{ column }} AS TEXT){{ " || '|' || " if not loop.last }}{% endfor %}
      )
    )
    {% endif %}
  )
