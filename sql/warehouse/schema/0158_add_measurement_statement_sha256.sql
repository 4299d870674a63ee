-- Which measures can follow each other.
ALTER TABLE tiering.measurement ADD COLUMN statement_sha256 TEXT COMMENT 'Hash of the statement; a replay goes on only from measures of the same one'
