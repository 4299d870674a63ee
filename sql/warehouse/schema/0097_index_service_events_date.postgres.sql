-- Index on PostgreSQL only: an evaluation reads two years of events.
CREATE INDEX service_events_date ON facts.service_events (opened_on)
