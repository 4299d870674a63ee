-- Key fields: what was recorded before there were notices is told to nobody.
UPDATE tiering.key_field_change SET digest_id = 'none' WHERE digest_id IS NULL
