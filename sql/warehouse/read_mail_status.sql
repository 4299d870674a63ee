-- What must be known of a mail before it is put back: one row, or none.
SELECT status, recipient, message <> '' AS has_body
FROM tiering.email_outbox
WHERE message_id = :message_id
