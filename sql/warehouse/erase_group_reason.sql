-- Replaces a reason of limits of groups.
UPDATE tiering.given_limit
SET reason = :tombstone
WHERE level = 'group' AND reason = :reason
