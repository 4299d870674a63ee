-- Makes a user without a password, who cannot log in by one until \password gives it; one that stands already stays.
DO $$ BEGIN CREATE ROLE {{ login }} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$
