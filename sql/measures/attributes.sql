-- Further attributes of customers that hold on a day; before the first extract, the first one holds: one row per customer that has any.
SELECT
  version.customer_id
  {% for name in further_attributes %}
  , MAX(CASE WHEN version.attribute = :attribute_{{ name }} THEN version.value END) AS value_{{ name }}
  {% endfor %}
FROM (
  SELECT
    customer_id,
    attribute,
    value,
    ROW_NUMBER() OVER (
      PARTITION BY customer_id, attribute
      ORDER BY
        CASE WHEN holds_from <= :as_of THEN 0 ELSE 1 END,
        CASE WHEN holds_from <= :as_of THEN holds_from END DESC NULLS LAST,
        holds_from
    ) AS nth
  FROM facts.customer_attributes
  WHERE attribute IN ({% for name in further_attributes %}:attribute_{{ name }}{{ ", " if not loop.last }}{% endfor %})
    AND batch_no <= :facts_batch_no
    AND (superseded_in IS NULL OR superseded_in > :facts_batch_no)
) AS version
WHERE version.nth = 1
GROUP BY version.customer_id
