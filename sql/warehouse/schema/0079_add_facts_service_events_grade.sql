-- Facts of service_events: grade that somebody stated for a request; other kinds leave it empty.
ALTER TABLE facts.service_events ADD COLUMN grade TEXT COMMENT 'Grade that somebody stated for a request'
