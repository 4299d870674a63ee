-- The erasure of a customer: one row, or none.
SELECT erased_on, replaced FROM tiering.erasure WHERE customer_id = :customer_id
