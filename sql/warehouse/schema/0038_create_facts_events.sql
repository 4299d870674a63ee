-- Facts of events: one row per version.
CREATE TABLE facts.events (
  customer_id TEXT NOT NULL COMMENT 'Customer number, text, leading zeros kept',
  happened_on DATE NOT NULL COMMENT 'Day of the event',
  kind TEXT NOT NULL COMMENT 'Life event or abnormal event',
  batch_no BIGINT NOT NULL COMMENT 'Load that brought this version of the row',
  superseded_in BIGINT COMMENT 'Load that replaced or withdrew this version; empty: it stands'
) COMMENT 'Checked rows. One row per customer, kind of event and day and version; the standing version has no superseded_in'
