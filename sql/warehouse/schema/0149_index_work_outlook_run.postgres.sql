-- Index on PostgreSQL only: the lines of a run are found among those of all policies.
CREATE INDEX outlook_run ON work.outlook (run_id)
