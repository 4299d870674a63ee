-- Drops a work table, so that it can be built again.
DROP TABLE IF EXISTS work.{{ table }}
