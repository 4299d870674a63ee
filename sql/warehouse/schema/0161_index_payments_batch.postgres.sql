-- Index on PostgreSQL only: a replay of measures looks for the rows that were loaded since.
CREATE INDEX payments_batch_no ON facts.payments (batch_no)
