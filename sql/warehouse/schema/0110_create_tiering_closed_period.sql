-- tiering.closed_period: days whose history no run may change.
CREATE TABLE tiering.closed_period (
  policy_id TEXT COMMENT 'Policy; empty: all',
  closed_through DATE NOT NULL COMMENT 'Last closed day',
  closed_by TEXT NOT NULL COMMENT 'Who closed it',
  reason TEXT NOT NULL COMMENT 'Why, such as year-end accounts',
  closed_at TIMESTAMPTZ NOT NULL COMMENT 'Instant of closing'
) COMMENT 'One row per closing; the newest of a policy counts, so that an earlier day opens the days after it again'
