-- Keeps the indicators of one policy over everybody while several tasks decide: one row per account in scope, numbered
-- in the order of the ids, with why its inputs cannot be trusted.
CREATE TABLE work.{{ target }} AS
WITH found AS (
  {% include 'measures/indicators.sql' %}
)
SELECT
  ROW_NUMBER() OVER (ORDER BY found.account_id COLLATE "C") AS _place,
  found.account_id,
  found.account_manager_id,
  {% for name in columns %}
  found."{{ name }}",
  {% endfor %}
  {% for statistic in statistics %}
  found."{{ statistic.name }}",
  {% endfor %}
  found.is_graded,
  held.reason AS _held_because
FROM found
LEFT JOIN work.{{ held }} AS held ON held.account_id = found.account_id
ORDER BY _place
