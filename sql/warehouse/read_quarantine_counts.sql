-- Standing refusals: one row per entity and rule.
SELECT entity, rule, COUNT(*) AS refused_rows
FROM tiering.quarantine
WHERE superseded_in IS NULL
GROUP BY entity, rule
ORDER BY entity, rule
