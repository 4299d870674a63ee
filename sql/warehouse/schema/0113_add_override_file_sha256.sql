-- Which file brought the row.
ALTER TABLE tiering.override ADD COLUMN file_sha256 TEXT COMMENT 'File that brought the row; empty: written into the table'
