-- Index on PostgreSQL only: DuckDB has no partial unique indexes, and refuses to replace a key within one transaction.
CREATE INDEX receivables_issued_on ON facts.receivables (issued_on)
