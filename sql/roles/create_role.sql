-- Makes a role that nobody logs in as; one that stands already stays.
DO $$ BEGIN CREATE ROLE {{ role }} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$
