-- The number of the next load, merge or erasure, each of which is a new state of the facts: one row.
SELECT COALESCE(MAX(known.batch_no), 0) + 1 AS batch_no
FROM (
  SELECT MAX(batch_no) AS batch_no FROM tiering.batch
  UNION ALL
  SELECT MAX(batch_no) FROM tiering.customer_merge
  UNION ALL
  SELECT MAX(batch_no) FROM tiering.erasure
) AS known
