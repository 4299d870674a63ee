-- Refused rows of a customer, and those of nobody: one row per refused row and rule.
SELECT entity, batch_no, position, rule, customer_id, row_json
FROM tiering.quarantine
WHERE (customer_id = :customer_id OR customer_id IS NULL) AND row_json <> :tombstone
