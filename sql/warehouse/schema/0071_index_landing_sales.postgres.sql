-- Index on PostgreSQL only: DuckDB has no partial unique indexes, and refuses to replace a key within one transaction.
CREATE INDEX landing_sales_batch ON landing.sales (batch_id)
