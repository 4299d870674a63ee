-- Index on PostgreSQL only: a replay of measures looks for the rows that were loaded since.
CREATE INDEX receivables_batch_no ON facts.receivables (batch_no)
