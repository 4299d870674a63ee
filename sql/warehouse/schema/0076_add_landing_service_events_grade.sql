-- Landing of service_events: grade that somebody stated for a request; other kinds leave it empty.
ALTER TABLE landing.service_events ADD COLUMN grade TEXT COMMENT 'Grade that somebody stated for a request, as the source said it'
