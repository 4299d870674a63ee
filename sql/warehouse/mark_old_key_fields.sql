-- Changes of key fields that came too late to be told are told to nobody.
UPDATE tiering.key_field_change SET digest_id = 'none' WHERE digest_id IS NULL AND changed_on <= :told_after
