-- Landing of contacts: one row per row of the source and batch.
CREATE TABLE landing.contacts (
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days that was extracted: start/end',
  position BIGINT NOT NULL COMMENT 'Order in which the source returned the row, from 1',
  contact_id TEXT COMMENT 'Contact, as the source said it',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept, as the source said it',
  contacted_on TEXT COMMENT 'Day of the contact, as the source said it',
  channel TEXT COMMENT 'visit, phone, mail, …, as the source said it',
  direction TEXT COMMENT 'inbound or outbound, as the source said it',
  outcome TEXT COMMENT 'Result of the contact, as the source said it'
) COMMENT 'Extracted rows as the source said them. One row per contact with a customer and batch'
