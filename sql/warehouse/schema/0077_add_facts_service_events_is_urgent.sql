-- Facts of service_events: whether a request is urgent; other kinds leave it empty.
ALTER TABLE facts.service_events ADD COLUMN is_urgent BOOLEAN COMMENT 'Whether a request is urgent'
