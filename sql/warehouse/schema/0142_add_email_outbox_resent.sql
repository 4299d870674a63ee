-- How often a mail may have come twice.
ALTER TABLE tiering.email_outbox ADD COLUMN resent INTEGER COMMENT 'Times it was sent again after the answer to it was lost: the recipient may have one more of it for each; empty: never'
