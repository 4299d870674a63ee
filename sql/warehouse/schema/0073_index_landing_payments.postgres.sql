-- Index on PostgreSQL only: DuckDB has no partial unique indexes, and refuses to replace a key within one transaction.
CREATE INDEX landing_payments_batch ON landing.payments (batch_id)
