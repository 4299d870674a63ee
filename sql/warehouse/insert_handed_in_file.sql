-- Keeps that a file was taken in, and what became of its lines: one row.
INSERT INTO tiering.handed_in_file (file_sha256, file, entity, stored_lines, refused_lines, recorded_at)
VALUES (:file_sha256, :file, :entity, :stored_lines, :refused_lines, :recorded_at)
