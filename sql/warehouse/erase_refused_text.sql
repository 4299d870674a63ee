-- Replaces a refused line of people by what stands for an erased one.
UPDATE tiering.refused_line
SET line_text = :tombstone
WHERE file_sha256 = :file_sha256 AND line = :line
