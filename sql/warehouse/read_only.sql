-- Lets this transaction change nothing (PostgreSQL alone).
SET TRANSACTION READ ONLY
