-- The customer of a request: one row, or none.
SELECT customer_id FROM facts.service_events WHERE event_id = :account_id AND superseded_in IS NULL
