-- Which of our roles this server has: one row each.
SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY (:roles) ORDER BY rolname
