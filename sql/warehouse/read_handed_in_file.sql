-- Whether a content was taken in already: one row, or none.
SELECT file
FROM tiering.handed_in_file
WHERE file_sha256 = :file_sha256
