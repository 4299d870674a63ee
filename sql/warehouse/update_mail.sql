-- Records what became of a mail. `is_resent`: it was sent again although the server may have had it.
UPDATE tiering.email_outbox
SET
  status = :status,
  attempts = attempts + 1,
  error = :error,
  sent_at = :sent_at,
  resent = CASE WHEN :is_resent THEN COALESCE(resent, 0) + 1 ELSE resent END
WHERE message_id = :message_id
