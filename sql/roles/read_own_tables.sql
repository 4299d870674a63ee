-- Tables of our schemas that the session may grant rights on: one row each.
SELECT schemaname || '.' || tablename AS name
FROM pg_catalog.pg_tables
WHERE schemaname IN ('landing', 'facts', 'work', 'tiering') AND pg_catalog.pg_has_role(tableowner, 'USAGE')
ORDER BY schemaname, tablename
