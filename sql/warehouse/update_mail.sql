-- Records what became of a mail.
UPDATE tiering.email_outbox
SET status = :status, attempts = attempts + 1, error = :error, sent_at = :sent_at
WHERE message_id = :message_id
