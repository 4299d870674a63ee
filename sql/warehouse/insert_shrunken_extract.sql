-- Keeps that an extract had shrunk, and why it was accepted, if it was: one row.
INSERT INTO tiering.shrunken_extract (
  batch_id, entity, compared_with, found_rows, expected_rows, found_at, accepted_reason
)
VALUES (:batch_id, :entity, :compared_with, :found_rows, :expected_rows, :found_at, :accepted_reason)
