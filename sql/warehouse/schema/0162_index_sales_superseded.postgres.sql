-- Index on PostgreSQL only: a replay of measures looks for the rows that were replaced or withdrawn since.
CREATE INDEX sales_superseded_in ON facts.sales (superseded_in) WHERE NOT superseded_in IS NULL
