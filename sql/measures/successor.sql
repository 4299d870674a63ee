-- Customers that were merged into another one by a day: one row per customer, the latest merge counts.
SELECT customer_id, merged_into
FROM (
  SELECT
    customer_id,
    merged_into,
    ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY merged_on DESC) AS nth
  FROM tiering.customer_merge
  WHERE merged_on <= :as_of AND batch_no <= :facts_batch_no
) AS merge
WHERE nth = 1
