-- tiering.measurement: the ledger of kept measures.
CREATE TABLE tiering.measurement (
  measurement_id TEXT NOT NULL COMMENT 'Hash of as_of, grain, state of the facts and columns',
  as_of DATE NOT NULL COMMENT 'Business day',
  grain TEXT NOT NULL COMMENT 'customer, bill_to or group',
  facts_batch_no BIGINT NOT NULL COMMENT 'Newest load that was measured',
  table_name TEXT NOT NULL COMMENT 'Table in schema work that holds one row per account',
  columns TEXT NOT NULL COMMENT 'Measured columns, as JSON',
  measured_rows BIGINT NOT NULL COMMENT 'Accounts measured',
  measured_at TIMESTAMPTZ NOT NULL COMMENT 'Instant of the measurement',
  PRIMARY KEY (measurement_id)
) COMMENT 'One row per as_of, grain, state of the facts and list of measures'
