-- Why an input of a customer was not to be trusted.
ALTER TABLE tiering.decision ADD COLUMN held_because TEXT COMMENT 'Why an input could not be trusted and the tier before stays; empty: all could'
