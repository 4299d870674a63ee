-- Mails that are still to be sent: one row per message.
SELECT message_id, account_manager_id, as_of, recipient, message, attempts
FROM tiering.email_outbox
WHERE status IN ('pending', 'uncertain')
ORDER BY created_at, message_id
