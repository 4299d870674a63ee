-- Records measures that were taken.
INSERT INTO tiering.measurement (
  measurement_id, as_of, grain, facts_batch_no, table_name, columns, measured_rows, measured_at
)
VALUES (:measurement_id, :as_of, :grain, :facts_batch_no, :table_name, :columns, :measured_rows, :measured_at)
