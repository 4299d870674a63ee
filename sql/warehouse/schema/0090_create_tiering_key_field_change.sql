-- tiering.key_field_change: what finance and sales must hear of.
CREATE TABLE tiering.key_field_change (
  customer_id TEXT NOT NULL COMMENT 'Customer number, text, leading zeros kept',
  entity TEXT NOT NULL COMMENT 'Entity that says so: customers, customer_attributes or assessments',
  field TEXT NOT NULL COMMENT 'Column of customers, further attribute (without attr_) or assessed indicator',
  before TEXT COMMENT 'Value before; empty: none. A credit limit is in the currency of the customer',
  after TEXT COMMENT 'Value after; empty: none, or an assessment that has run out',
  changed_on DATE NOT NULL COMMENT 'First day on which the new value holds: for an assessment its day, else the last day of the batch that brought it',
  batch_no BIGINT NOT NULL COMMENT 'Load that brought the new value; where an assessment ran out, the load that found it',
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days of that load: start/end',
  source_snapshot TEXT COMMENT 'Snapshot of the source that was read',
  assessed_by TEXT COMMENT 'Who assessed, where people did',
  evidence TEXT COMMENT 'What the assessment rests on',
  recorded_at TIMESTAMPTZ NOT NULL COMMENT 'Instant of recording',
  superseded_at TIMESTAMPTZ COMMENT 'Instant at which a later load withdrew the row; empty: it stands'
) COMMENT 'One row per customer, field and day on which its value changed, and version; the standing version has no superseded_at'
