-- Whether these measures were taken: one row, or none.
SELECT table_name, measured_rows
FROM tiering.measurement
WHERE measurement_id = :measurement_id
