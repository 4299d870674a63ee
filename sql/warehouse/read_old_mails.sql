-- Some mails written before an instant that nobody sends any more and whose body is there: one row per message.
SELECT message_id, message
FROM tiering.email_outbox
WHERE status IN ('sent', 'filed', 'dead') AND message_sha256 IS NULL AND created_at < :instant
ORDER BY message_id
LIMIT 100
