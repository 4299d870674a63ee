-- Records that a batch passed validation and may be loaded.
INSERT INTO work.validated (batch_id) VALUES (:batch_id)
