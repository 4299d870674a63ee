-- tiering.quarantine: refused source rows.
CREATE TABLE tiering.quarantine (
  batch_no BIGINT NOT NULL COMMENT 'Load that refused the row',
  entity TEXT NOT NULL COMMENT 'Entity',
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days: start/end',
  position BIGINT NOT NULL COMMENT 'Position of the row in its batch',
  rule TEXT NOT NULL COMMENT 'Rule of expectations/ that refused the row',
  reason TEXT NOT NULL COMMENT 'What is wrong and what to do',
  customer_id TEXT COMMENT 'Customer number as read',
  row_json TEXT NOT NULL COMMENT 'The row as the source said it, as JSON',
  superseded_in BIGINT COMMENT 'Load that extracted the same interval again; empty: it stands',
  PRIMARY KEY (entity, batch_no, position, rule)
) COMMENT 'One row per refused source row and rule'
