-- Why an input of a customer was not to be trusted.
ALTER TABLE work.decided ADD COLUMN held_because TEXT COMMENT 'As in tiering.decision'
