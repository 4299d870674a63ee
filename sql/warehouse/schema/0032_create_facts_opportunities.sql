-- Facts of opportunities: one row per version.
CREATE TABLE facts.opportunities (
  opportunity_id TEXT NOT NULL COMMENT 'Opportunity',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept',
  has_explicit_need BOOLEAN COMMENT 'Whether the need is explicit',
  stage TEXT COMMENT 'Stage of the opportunity',
  expected_close_on DATE COMMENT 'Expected closing day',
  amount DECIMAL(20, 4) COMMENT 'Expected amount',
  is_refused BOOLEAN COMMENT 'Whether the prospect refused',
  batch_no BIGINT NOT NULL COMMENT 'Load that brought this version of the row',
  superseded_in BIGINT COMMENT 'Load that replaced or withdrew this version; empty: it stands'
) COMMENT 'Checked rows. One row per opportunity and version; the standing version has no superseded_in'
