-- tiering.batch: the ledger of loads.
CREATE TABLE tiering.batch (
  batch_no BIGINT NOT NULL COMMENT 'Number of the load',
  entity TEXT NOT NULL COMMENT 'Entity',
  currency TEXT NOT NULL COMMENT 'Currency code as read; ? where it is missing, - where the entity has no money',
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days: start/end',
  batch_start DATE NOT NULL COMMENT 'First day',
  batch_end DATE NOT NULL COMMENT 'Day after the last day',
  extracted_rows BIGINT NOT NULL COMMENT 'Rows the source returned',
  loaded_rows BIGINT NOT NULL COMMENT 'Rows that stand in the facts',
  quarantined_rows BIGINT NOT NULL COMMENT 'Rows refused by a rule',
  excluded_rows BIGINT NOT NULL COMMENT 'Rows left out on purpose',
  extracted_amount DECIMAL(38, 4) NOT NULL COMMENT 'Sum of the readable amounts extracted, in the currency of the row',
  loaded_amount DECIMAL(38, 4) NOT NULL COMMENT 'Sum loaded',
  quarantined_amount DECIMAL(38, 4) NOT NULL COMMENT 'Sum quarantined',
  excluded_amount DECIMAL(38, 4) NOT NULL COMMENT 'Sum excluded',
  source_snapshot TEXT COMMENT 'Snapshot of the source that was read',
  extracted_at TIMESTAMPTZ NOT NULL COMMENT 'Instant of the extraction',
  loaded_at TIMESTAMPTZ NOT NULL COMMENT 'Instant of the load',
  PRIMARY KEY (entity, batch_no, currency),
  CHECK (extracted_rows = loaded_rows + quarantined_rows + excluded_rows),
  CHECK (extracted_amount = loaded_amount + quarantined_amount + excluded_amount)
) COMMENT 'One row per entity, load and currency: extracted = loaded + quarantined + excluded, in rows and in money'
