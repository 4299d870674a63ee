-- When the load, merge or erasure came that made a state of the facts, and the newest erasure: one row.
SELECT
  MAX(known.recorded_at) AS recorded_at,
  (SELECT COALESCE(MAX(erasure.batch_no), 0) FROM tiering.erasure AS erasure) AS erased_in
FROM (
  SELECT loaded_at AS recorded_at FROM tiering.batch WHERE batch_no = :facts_batch_no
  UNION ALL
  SELECT recorded_at FROM tiering.customer_merge WHERE batch_no = :facts_batch_no
  UNION ALL
  SELECT recorded_at FROM tiering.erasure WHERE batch_no = :facts_batch_no
) AS known
