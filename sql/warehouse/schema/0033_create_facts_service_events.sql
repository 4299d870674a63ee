-- Facts of service_events: one row per version.
CREATE TABLE facts.service_events (
  event_id TEXT NOT NULL COMMENT 'Service event',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept',
  opened_on DATE COMMENT 'First day of the relationship',
  kind TEXT COMMENT 'Kind, in the words of the source',
  answered_seconds BIGINT COMMENT 'Seconds until it was answered',
  closed_on DATE COMMENT 'Day it was closed',
  satisfaction DECIMAL(38, 8) COMMENT 'Satisfaction stated by the customer',
  batch_no BIGINT NOT NULL COMMENT 'Load that brought this version of the row',
  superseded_in BIGINT COMMENT 'Load that replaced or withdrew this version; empty: it stands'
) COMMENT 'Checked rows. One row per service event and version; the standing version has no superseded_in'
