-- work.task: follow-up tasks of runs that are not published yet.
CREATE TABLE work.task (
  run_id TEXT NOT NULL COMMENT 'Run',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain',
  task TEXT NOT NULL COMMENT 'Task of the policy'
) COMMENT 'One row per run, customer and task'
