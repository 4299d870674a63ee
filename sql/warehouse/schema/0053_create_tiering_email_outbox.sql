-- tiering.email_outbox: mails to send and sent.
CREATE TABLE tiering.email_outbox (
  message_id TEXT NOT NULL COMMENT 'Message-ID, the same for the same content',
  digest_id TEXT NOT NULL COMMENT 'Digest the message belongs to',
  account_manager_id TEXT COMMENT 'Recipient as account manager; empty: the fallback',
  as_of DATE COMMENT 'Latest day the message is about',
  recipient TEXT NOT NULL COMMENT 'Address; empty where there is none',
  subject TEXT NOT NULL COMMENT 'Subject, without customer data',
  message TEXT NOT NULL COMMENT 'The whole message, ready to send',
  status TEXT NOT NULL COMMENT 'pending, sent, filed (written to the mail folder), uncertain or dead',
  attempts INTEGER NOT NULL COMMENT 'Deliveries tried',
  error TEXT COMMENT 'Last answer of the server',
  created_at TIMESTAMPTZ NOT NULL COMMENT 'Instant of writing',
  sent_at TIMESTAMPTZ COMMENT 'Instant of acceptance by the server',
  PRIMARY KEY (message_id)
) COMMENT 'One row per message'
