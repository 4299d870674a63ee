-- Accounts of a run that are to be folded one by one: one row each.
SELECT customer_id FROM work.differing WHERE NOT is_plain
