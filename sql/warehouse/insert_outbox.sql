-- A mail to be sent; the same mail is written once.
INSERT INTO tiering.email_outbox (
  message_id, digest_id, account_manager_id, as_of, recipient, subject, message, status, attempts, error, created_at
)
SELECT
  CAST(:message_id AS TEXT), CAST(:digest_id AS TEXT), CAST(:account_manager_id AS TEXT), CAST(:as_of AS DATE),
  CAST(:recipient AS TEXT),
  CAST(:subject AS TEXT), CAST(:message AS TEXT), CAST(:status AS TEXT), 0, CAST(:error AS TEXT),
  CAST(:created_at AS TIMESTAMPTZ)
WHERE NOT EXISTS (SELECT 1 FROM tiering.email_outbox WHERE message_id = :message_id)
