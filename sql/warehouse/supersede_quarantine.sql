-- Ends the refusals of an interval that is loaded again.
UPDATE tiering.quarantine
SET superseded_in = :batch_no
WHERE batch_id = :batch_id AND superseded_in IS NULL
