-- Waits until nobody else publishes under the same name; released at the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))
