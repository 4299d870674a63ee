-- Landing of service_events: whether a request is important; other kinds leave it empty.
ALTER TABLE landing.service_events ADD COLUMN is_important TEXT COMMENT 'Whether a request is important, as the source said it'
