-- Facts of contacts: one row per version.
CREATE TABLE facts.contacts (
  contact_id TEXT NOT NULL COMMENT 'Contact',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept',
  contacted_on DATE COMMENT 'Day of the contact',
  channel TEXT COMMENT 'visit, phone, mail, …',
  direction TEXT COMMENT 'inbound or outbound',
  outcome TEXT COMMENT 'Result of the contact',
  batch_no BIGINT NOT NULL COMMENT 'Load that brought this version of the row',
  superseded_in BIGINT COMMENT 'Load that replaced or withdrew this version; empty: it stands'
) COMMENT 'Checked rows. One row per contact with a customer and version; the standing version has no superseded_in'
