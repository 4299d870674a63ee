-- Index on PostgreSQL only: DuckDB has no partial unique indexes, and refuses to replace a key within one transaction.
CREATE INDEX sales_sold_on ON facts.sales (sold_on)
