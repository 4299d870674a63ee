-- Notes every known customer that this extract does not name: one row per customer that is missing since then.
-- Who was found again earlier on the same day, and is missing once more, was never back: it goes on where it was.
INSERT INTO tiering.missing_customer (customer_id, missing_since, missing_in, extracts, gone_on, gone_in)
WITH named AS (
  SELECT customer_id FROM work.parsed_customers
  UNION
  SELECT customer_id FROM work.refused WHERE entity = 'customers' AND customer_id IS NOT NULL
),
known AS (
  SELECT DISTINCT customer_id FROM facts.customers WHERE superseded_in IS NULL
),
resumed AS (
  SELECT
    customer_id,
    missing_since,
    gone_on,
    ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY missing_in DESC) AS nth
  FROM tiering.missing_customer
  WHERE returned_on = :extracted_on
)
SELECT
  known.customer_id,
  COALESCE(resumed.missing_since, CAST(:extracted_on AS DATE)),
  CAST(:batch_no AS BIGINT),
  1,
  resumed.gone_on,
  CASE WHEN resumed.gone_on IS NOT NULL THEN CAST(:batch_no AS BIGINT) END
FROM known
LEFT JOIN named ON named.customer_id = known.customer_id
LEFT JOIN tiering.missing_customer AS missing
  ON missing.customer_id = known.customer_id AND missing.returned_on IS NULL
LEFT JOIN resumed ON resumed.customer_id = known.customer_id AND resumed.nth = 1
WHERE named.customer_id IS NULL AND missing.customer_id IS NULL
