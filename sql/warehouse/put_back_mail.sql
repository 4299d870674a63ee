-- Lets a dead mail be sent again, as if for the first time; its last answer stays until the next one.
UPDATE tiering.email_outbox
SET status = CASE WHEN resent > 0 THEN 'uncertain' ELSE 'pending' END, attempts = 0
WHERE message_id = :message_id AND status = 'dead'
