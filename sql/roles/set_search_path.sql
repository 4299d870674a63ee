-- Every name that is not the server's own must say its schema.
ALTER ROLE {{ login }} IN DATABASE {{ database }} SET search_path = pg_catalog
