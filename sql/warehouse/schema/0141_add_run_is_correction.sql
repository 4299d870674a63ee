-- Whether mails about a run correct what was told before.
ALTER TABLE tiering.run ADD COLUMN is_correction BOOLEAN COMMENT 'True: its mails are marked as a correction; empty or false: it is ordinary news'
