-- Mails that are still to be sent, in the order they were written: one row per message.
SELECT message_id
FROM tiering.email_outbox
WHERE status IN ('pending', 'uncertain')
ORDER BY created_at, message_id
