-- Keeps only the rows that no rule refused.
DELETE FROM work.parsed_{{ entity }}
WHERE position IN (SELECT position FROM work.refused WHERE entity = :entity)
