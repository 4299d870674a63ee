-- What a user could do beyond reading, or beyond the rights of its role: one row.
SELECT
  role.rolname,
  role.rolsuper,
  role.rolbypassrls,
  role.rolcreaterole,
  pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS may_create,
  (
    SELECT pg_catalog.COUNT(*)
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE class.relkind IN ('r', 'p', 'v', 'f')
      AND namespace.nspname <> 'information_schema' AND namespace.nspname !~ '^pg_'
      AND pg_catalog.has_schema_privilege(namespace.oid, 'USAGE')
      AND (
        pg_catalog.has_table_privilege(class.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
        OR pg_catalog.has_any_column_privilege(class.oid, 'INSERT, UPDATE')
      )
  ) AS writable_tables,
  (
    SELECT pg_catalog.COUNT(*)
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE namespace.nspname IN ('landing', 'facts', 'tiering') AND class.relkind = 'r'
      AND pg_catalog.pg_has_role(class.relowner, 'USAGE')
  ) AS owned_tables
FROM pg_catalog.pg_roles AS role
WHERE role.rolname = SESSION_USER
