-- Mails by status: one row per status.
SELECT status, COUNT(*) AS mails
FROM tiering.email_outbox
GROUP BY status
ORDER BY status
