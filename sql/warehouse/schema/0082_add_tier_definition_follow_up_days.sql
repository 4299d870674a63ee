-- How often customers of a tier are contacted.
ALTER TABLE tiering.tier_definition ADD COLUMN follow_up_days INTEGER COMMENT 'Days after a contact within which the next one is due; empty: no cadence'
