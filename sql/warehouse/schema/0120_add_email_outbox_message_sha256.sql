-- What a message was, once its body is pruned.
ALTER TABLE tiering.email_outbox ADD COLUMN message_sha256 TEXT COMMENT 'SHA-256 of the message, in hex, once its body was removed; empty: it is there'
