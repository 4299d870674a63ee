-- Index on PostgreSQL only: a replay of measures looks for the documents that a boundary of their due day passed.
CREATE INDEX receivables_due_on ON facts.receivables (due_on)
