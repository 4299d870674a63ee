-- Index on PostgreSQL only: DuckDB has no partial unique indexes, and refuses to replace a key within one transaction.
CREATE INDEX payments_paid_on ON facts.payments (paid_on)
