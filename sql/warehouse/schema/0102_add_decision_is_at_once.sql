-- Whether nothing kept a better tier.
ALTER TABLE tiering.decision ADD COLUMN is_at_once BOOLEAN COMMENT 'Whether the policy''s down_at_once held: no movement rule keeps a better tier'
