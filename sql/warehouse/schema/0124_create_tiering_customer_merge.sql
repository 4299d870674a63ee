-- tiering.customer_merge: which customer counts for another one, and from which day on.
CREATE TABLE tiering.customer_merge (
  customer_id TEXT NOT NULL COMMENT 'Customer that is merged into another one',
  merged_into TEXT NOT NULL COMMENT 'Customer whose documents these are from that day on, the old ones too',
  merged_on DATE NOT NULL COMMENT 'First day on which it holds; before it nothing changes',
  reason TEXT NOT NULL COMMENT 'Why',
  requested_by TEXT NOT NULL COMMENT 'Who asked for it',
  approved_by TEXT NOT NULL COMMENT 'Who approved it, somebody else',
  follows TEXT COMMENT 'Customer that was merged further and took this one along; empty: this is the merge itself',
  batch_no BIGINT NOT NULL COMMENT 'State of the facts from which the merge is known; it has a number of its own, like a load',
  recorded_at TIMESTAMPTZ NOT NULL COMMENT 'Instant of recording',
  PRIMARY KEY (customer_id, merged_on),
  CHECK (customer_id <> merged_into),
  CHECK (requested_by <> approved_by)
) COMMENT 'Input of people, by tiering merge. One row per customer and day from which it counts for another one; the latest row counts'
