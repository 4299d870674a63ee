-- Rows that an extract is expected to hold: customers that are known and not gone, or what the last extract held: one row.
{% if entity == "customers" %}
SELECT COUNT(*) AS standing_rows
FROM (
  SELECT DISTINCT customer_id
  FROM facts.customers
  WHERE superseded_in IS NULL
    AND customer_id NOT IN (
      SELECT customer_id FROM tiering.missing_customer WHERE returned_on IS NULL AND gone_on IS NOT NULL
    )
) AS known
{% else %}
SELECT COALESCE(SUM(extracted_rows), 0) AS standing_rows
FROM tiering.batch
WHERE entity = '{{ entity }}'
  AND batch_no = (SELECT MAX(batch_no) FROM tiering.batch WHERE entity = '{{ entity }}')
{% endif %}
