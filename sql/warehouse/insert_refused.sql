-- Rows that a rule refuses: one row per row and rule. The rule's own query finds them.
INSERT INTO work.refused (entity, position, rule, reason, row_key, customer_id)
SELECT
  CAST(:entity AS TEXT),
  parsed.position,
  CAST(:rule AS TEXT),
  CAST(:reason AS TEXT){% if names_column %} || ': ' || TRIM(parsed.unreadable){% endif %},
  parsed.row_key,
  {{ "parsed.customer_id" if has_customer else "NULL" }}
FROM work.parsed_{{ entity_name }} AS parsed
WHERE parsed.position IN ({{ query }})
