-- Facts of service_events: whether a request is important; other kinds leave it empty.
ALTER TABLE facts.service_events ADD COLUMN is_important BOOLEAN COMMENT 'Whether a request is important'
