-- Landing of events: one row per row of the source and batch.
CREATE TABLE landing.events (
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days that was extracted: start/end',
  position BIGINT NOT NULL COMMENT 'Order in which the source returned the row, from 1',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept, as the source said it',
  happened_on TEXT COMMENT 'Day of the event, as the source said it',
  kind TEXT COMMENT 'Life event or abnormal event, as the source said it'
) COMMENT 'Extracted rows as the source said them. One row per customer, kind of event and day and batch'
