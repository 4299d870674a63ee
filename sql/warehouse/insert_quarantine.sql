-- Keeps what was refused, with rule, reason and the row as the source said it: one row per row and rule.
INSERT INTO tiering.quarantine (batch_no, entity, batch_id, position, rule, reason, customer_id, row_json)
SELECT
  CAST(:batch_no AS BIGINT),
  refused.entity,
  CAST(:batch_id AS TEXT),
  refused.position,
  refused.rule,
  refused.reason,
  refused.customer_id,
  CAST(JSON_OBJECT(
    {% for column in entity.columns %}
    '{{ column }}', landed.{{ column }}{{ "," if not loop.last }}
    {% endfor %}
  ) AS TEXT)
FROM work.refused AS refused
JOIN landing.{{ entity.name }} AS landed
  ON landed.batch_id = :batch_id AND landed.position = refused.position
WHERE refused.entity = :entity
