-- Removes the body of a mail and keeps its hash.
UPDATE tiering.email_outbox SET message = '', message_sha256 = :sha256 WHERE message_id = :message_id
