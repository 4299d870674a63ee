-- tiering.run_attempt: every try of a run.
CREATE TABLE tiering.run_attempt (
  run_id TEXT NOT NULL COMMENT 'Run',
  attempt INTEGER NOT NULL COMMENT 'Number of the try, from 1; the newest one alone may publish (fence)',
  started_at TIMESTAMPTZ NOT NULL COMMENT 'Start',
  finished_at TIMESTAMPTZ COMMENT 'End; empty: under way or killed',
  outcome TEXT COMMENT 'published, noop, held, rejected or failed',
  host TEXT COMMENT 'Machine',
  timings TEXT COMMENT 'Seconds per step, as JSON',
  error TEXT COMMENT 'First line of the error, without customer data',
  PRIMARY KEY (run_id, attempt)
) COMMENT 'One row per run and try'
