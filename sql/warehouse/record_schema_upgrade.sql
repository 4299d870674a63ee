-- Records that a numbered statement was applied.
INSERT INTO tiering.schema_upgrade (number, name, sha256, applied_at)
VALUES (:number, :name, :sha256, CURRENT_TIMESTAMP)
