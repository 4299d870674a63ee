-- The text of one mail: one row.
SELECT message FROM tiering.email_outbox WHERE message_id = :message_id
