-- The number of the next pruning run: one row.
SELECT COALESCE(MAX(pruning_no), 0) + 1 AS pruning_no FROM tiering.pruning
