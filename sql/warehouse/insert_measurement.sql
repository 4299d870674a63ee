-- Records measures that were taken.
INSERT INTO tiering.measurement (
  measurement_id, as_of, grain, facts_batch_no, table_name, columns, measured_rows, measured_at,
  method, replayed_from, full_on, statement_sha256
)
VALUES (
  :measurement_id, :as_of, :grain, :facts_batch_no, :table_name, :columns, :measured_rows, :measured_at,
  :method, :replayed_from, :full_on, :statement_sha256
)
