-- tiering.shrunken_extract: extracts that were too small to be believed.
CREATE TABLE tiering.shrunken_extract (
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days: start/end',
  entity TEXT NOT NULL COMMENT 'Entity',
  compared_with TEXT NOT NULL COMMENT 'What it was held against: known (customers that are not gone), last (the extract loaded before), interval (rows that stand for these days) or usual (the smallest of the batches before)',
  found_rows BIGINT NOT NULL COMMENT 'Rows, or known customers, that the extract holds',
  expected_rows BIGINT NOT NULL COMMENT 'Rows, or known customers, that it was held against',
  found_at TIMESTAMPTZ NOT NULL COMMENT 'Instant of the check',
  accepted_reason TEXT COMMENT 'Why it is right all the same, in the words of the person who released it; empty: the batch was held',
  PRIMARY KEY (batch_id, entity, compared_with, found_at)
) COMMENT 'One row per check in which an entity of a batch had shrunk, and what became of it'
