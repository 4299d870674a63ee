-- tiering.handed_in_file: the files of people that were taken in, by their content.
CREATE TABLE tiering.handed_in_file (
  file_sha256 TEXT NOT NULL COMMENT 'SHA-256 of the content; the same content is taken in once',
  file TEXT NOT NULL COMMENT 'Name of the file when it was first seen',
  entity TEXT NOT NULL COMMENT 'overrides or grades',
  stored_lines INTEGER NOT NULL COMMENT 'Lines that were stored',
  refused_lines INTEGER NOT NULL COMMENT 'Lines that were refused, in tiering.refused_line; of a file that was refused as a whole, 1',
  recorded_at TIMESTAMPTZ NOT NULL COMMENT 'Instant at which it was taken in',
  PRIMARY KEY (file_sha256)
) COMMENT 'One row per content of a file'
