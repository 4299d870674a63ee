-- A mail while it is still to be sent: one row, or none.
SELECT message_id, account_manager_id, as_of, recipient, message, status, attempts
FROM tiering.email_outbox
WHERE message_id = :message_id AND status IN ('pending', 'uncertain')
