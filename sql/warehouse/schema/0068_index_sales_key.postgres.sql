-- Index on PostgreSQL only: DuckDB has no partial unique indexes, and refuses to replace a key within one transaction.
CREATE UNIQUE INDEX sales_standing_key ON facts.sales (line_id) WHERE superseded_in IS NULL
