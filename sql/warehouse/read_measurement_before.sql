-- The newest measures of earlier days, or of an earlier state of the facts, from which a day can be replayed: at most one row.
SELECT measurement_id, as_of, facts_batch_no, table_name, measured_rows, full_on
FROM tiering.measurement
WHERE grain = :grain
  AND statement_sha256 = :statement_sha256
  AND as_of <= :as_of
  AND facts_batch_no <= :facts_batch_no
ORDER BY as_of DESC, facts_batch_no DESC, measured_at DESC
LIMIT 1
