-- Index on PostgreSQL only: an evaluation reads two years of answers.
CREATE INDEX surveys_date ON facts.surveys (answered_on)
