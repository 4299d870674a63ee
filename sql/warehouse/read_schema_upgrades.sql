-- The statements applied so far: one row per statement.
SELECT number, name, sha256, applied_at
FROM tiering.schema_upgrade
ORDER BY number
