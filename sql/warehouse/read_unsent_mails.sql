-- Mails that nobody has got for certain, in the order they were written: one row per message.
SELECT
  message_id,
  status,
  attempts,
  COALESCE(resent, 0) AS resent,
  recipient,
  as_of,
  created_at,
  error
FROM tiering.email_outbox
WHERE status IN ('pending', 'uncertain', 'dead')
ORDER BY created_at, message_id
