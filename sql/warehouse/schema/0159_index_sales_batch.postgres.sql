-- Index on PostgreSQL only: a replay of measures looks for the rows that were loaded since.
CREATE INDEX sales_batch_no ON facts.sales (batch_no)
