-- How customers of a tier are covered.
ALTER TABLE tiering.tier_definition ADD COLUMN coverage TEXT COMMENT 'How customers of the tier are covered: dedicated, shared, inside_sales, agent or self_service'
