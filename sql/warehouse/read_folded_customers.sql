-- The accounts to be folded: one row each.
SELECT customer_id FROM work.folded_customer
