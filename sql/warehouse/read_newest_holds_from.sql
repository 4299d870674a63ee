-- The newest day from which extracted attributes hold: one row.
SELECT MAX(holds_from) AS holds_from FROM facts.customers WHERE superseded_in IS NULL
