-- Rows of one entity that at least one rule refuses: one row.
SELECT COUNT(DISTINCT position) AS refused_rows FROM work.refused WHERE entity = :entity
