-- The schema public of the database is nobody's.
REVOKE ALL ON SCHEMA public FROM PUBLIC
