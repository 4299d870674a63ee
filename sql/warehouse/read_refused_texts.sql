-- The lines of people that were refused, as they stand: one row per file and line.
SELECT file_sha256, line, line_text
FROM tiering.refused_line
WHERE line_text <> :tombstone
ORDER BY file_sha256, line
