-- The indicators that were kept of the accounts in a range of places: one row per account, in the order of the ids.
SELECT
  account_id,
  account_manager_id,
  {% for name in columns %}
  "{{ name }}",
  {% endfor %}
  {% for statistic in statistics %}
  "{{ statistic.name }}",
  {% endfor %}
  is_graded,
  _held_because
FROM {{ table }}
WHERE _place BETWEEN :first AND :last
ORDER BY _place
