-- Changes of key attributes between the versions that stand: one row per customer, attribute and day.
-- The first value is one where the customer was known before it and the source named the attribute before it.
INSERT INTO work.key_field_change (customer_id, entity, field, before, after, changed_on, batch_no)
WITH version AS (
  SELECT
    customer_id,
    attribute,
    value,
    LAG(value) OVER (PARTITION BY customer_id, attribute ORDER BY holds_from) AS value_before,
    ROW_NUMBER() OVER (PARTITION BY customer_id, attribute ORDER BY holds_from) AS nth,
    holds_from,
    batch_no
  FROM facts.customer_attributes
  WHERE superseded_in IS NULL AND STRPOS(:fields, ',' || attribute || ',') > 0
),
named AS (
  SELECT attribute, MIN(holds_from) AS since_on
  FROM version
  GROUP BY attribute
),
known AS (
  SELECT customer_id, MIN(holds_from) AS since_on
  FROM facts.customers
  WHERE superseded_in IS NULL
  GROUP BY customer_id
)
SELECT
  version.customer_id,
  'customer_attributes',
  version.attribute,
  version.value_before,
  version.value,
  version.holds_from,
  version.batch_no
FROM version
JOIN named ON named.attribute = version.attribute
LEFT JOIN known ON known.customer_id = version.customer_id
WHERE version.value_before IS DISTINCT FROM version.value
  AND (version.nth > 1 OR (named.since_on < version.holds_from AND known.since_on < version.holds_from))
