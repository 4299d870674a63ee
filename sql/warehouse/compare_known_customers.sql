-- How many of the known customers an extract names, those that are gone left out: one row.
{% from 'warehouse/parse.jinja' import trimmed %}
WITH landed AS (
  SELECT DISTINCT {{ trimmed("customer_id") }} AS customer_id FROM landing.customers WHERE batch_id = :batch_id
),
known AS (
  SELECT DISTINCT customer_id
  FROM facts.customers
  WHERE superseded_in IS NULL
    AND customer_id NOT IN (
      SELECT customer_id FROM tiering.missing_customer WHERE returned_on IS NULL AND gone_on IS NOT NULL
    )
)
SELECT COUNT(landed.customer_id) AS found_rows, COUNT(*) AS expected_rows
FROM known
LEFT JOIN landed ON landed.customer_id = known.customer_id
