-- When measures were last taken in full.
ALTER TABLE tiering.measurement ADD COLUMN full_on DATE COMMENT 'as_of of the full computation that the replays go back to; the day itself where the method is full'
