-- Why people gave limits to groups, as far as it was not replaced: one row per wording.
SELECT DISTINCT reason
FROM tiering.given_limit
WHERE level = 'group' AND reason <> :tombstone
