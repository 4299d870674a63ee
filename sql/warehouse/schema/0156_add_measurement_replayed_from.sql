-- From which kept measures a replay went on.
ALTER TABLE tiering.measurement ADD COLUMN replayed_from TEXT COMMENT 'Measures whose rows the accounts that no change touched took; empty: the method is full'
