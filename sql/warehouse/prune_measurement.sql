-- Removes what the ledger says of measures.
DELETE FROM tiering.measurement
WHERE measurement_id = :measurement_id
