-- The facts that hold in a state of the facts, of one of their tables: one row per fact.
SELECT
  {% for column in columns %}
  {{ column }},
  {% endfor %}
  batch_no
FROM facts.{{ table }}
WHERE batch_no <= :facts_batch_no AND (superseded_in IS NULL OR superseded_in > :facts_batch_no)
