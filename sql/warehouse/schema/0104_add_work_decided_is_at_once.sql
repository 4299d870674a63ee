-- Whether nothing kept a better tier.
ALTER TABLE work.decided ADD COLUMN is_at_once BOOLEAN COMMENT 'As in tiering.decision'
