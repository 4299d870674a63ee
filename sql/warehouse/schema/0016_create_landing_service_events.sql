-- Landing of service_events: one row per row of the source and batch.
CREATE TABLE landing.service_events (
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days that was extracted: start/end',
  position BIGINT NOT NULL COMMENT 'Order in which the source returned the row, from 1',
  event_id TEXT COMMENT 'Service event, as the source said it',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept, as the source said it',
  opened_on TEXT COMMENT 'First day of the relationship, as the source said it',
  kind TEXT COMMENT 'Kind, in the words of the source, as the source said it',
  answered_seconds TEXT COMMENT 'Seconds until it was answered, as the source said it',
  closed_on TEXT COMMENT 'Day it was closed, as the source said it',
  satisfaction TEXT COMMENT 'Satisfaction stated by the customer, as the source said it'
) COMMENT 'Extracted rows as the source said them. One row per service event and batch'
