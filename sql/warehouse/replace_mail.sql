-- Replaces the text of one mail.
UPDATE tiering.email_outbox SET message = :message WHERE message_id = :message_id
