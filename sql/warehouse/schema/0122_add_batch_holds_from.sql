-- The ledger of loads: from which day on an extract of customers holds.
ALTER TABLE tiering.batch ADD COLUMN holds_from DATE COMMENT 'Day from which the attributes of the extract hold; empty for entities whose attributes have no versions'
