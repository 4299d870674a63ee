-- Key fields: which digest told a change.
ALTER TABLE tiering.key_field_change ADD COLUMN digest_id TEXT COMMENT 'Digest that told the account managers; none where it was too old to be told, empty: not yet'
