-- Waits until nobody works under the name alone; others may share it. Released at the end of the transaction.
SELECT pg_advisory_xact_lock_shared(hashtextextended(:name, 0))
