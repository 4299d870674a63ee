-- Facts of customer_attributes: one row per version.
CREATE TABLE facts.customer_attributes (
  customer_id TEXT NOT NULL COMMENT 'Customer number, text, leading zeros kept',
  attribute TEXT NOT NULL COMMENT 'Name of the further attribute, without attr_',
  value TEXT COMMENT 'Value as text',
  holds_from DATE NOT NULL COMMENT 'First day on which these attributes hold',
  batch_no BIGINT NOT NULL COMMENT 'Load that brought this version of the row',
  superseded_in BIGINT COMMENT 'Load that replaced or withdrew this version; empty: it stands'
) COMMENT 'Checked rows. One row per customer and further attribute and version; the standing version has no superseded_in'
