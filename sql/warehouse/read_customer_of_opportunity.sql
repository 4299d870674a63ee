-- The customer of an opportunity: one row, or none.
SELECT customer_id FROM facts.opportunities WHERE opportunity_id = :account_id AND superseded_in IS NULL
