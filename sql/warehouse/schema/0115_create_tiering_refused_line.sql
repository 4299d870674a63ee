-- tiering.refused_line: lines of people that a check refused.
CREATE TABLE tiering.refused_line (
  file_sha256 TEXT NOT NULL COMMENT 'File, in tiering.handed_in_file',
  file TEXT NOT NULL COMMENT 'Name of the file',
  line INTEGER NOT NULL COMMENT 'Line in the file, 1 = the names of the columns; 1 also where the whole file is refused',
  entity TEXT NOT NULL COMMENT 'overrides or grades',
  reason TEXT NOT NULL COMMENT 'What is wrong and what to do; holds no customer data',
  line_text TEXT COMMENT 'The line as it stands in the file, control characters escaped, at most 2,000 characters; customer data',
  recorded_at TIMESTAMPTZ NOT NULL COMMENT 'Instant at which it was refused',
  PRIMARY KEY (file_sha256, line)
) COMMENT 'One row per file and refused line'
