-- Landing of service_events: whether a request is urgent; other kinds leave it empty.
ALTER TABLE landing.service_events ADD COLUMN is_urgent TEXT COMMENT 'Whether a request is urgent, as the source said it'
