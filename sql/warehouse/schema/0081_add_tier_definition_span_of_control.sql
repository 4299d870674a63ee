-- How many customers of a tier one manager can look after.
ALTER TABLE tiering.tier_definition ADD COLUMN span_of_control INTEGER COMMENT 'Customers of the tier that one account manager can look after; empty: not limited'
