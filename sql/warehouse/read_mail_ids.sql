-- Every mail of the outbox: one row per message.
SELECT message_id FROM tiering.email_outbox ORDER BY message_id
