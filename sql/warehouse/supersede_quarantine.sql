-- Ends the refusals of what is loaded again: the same interval, or an entity that is read whole.
UPDATE tiering.quarantine
SET superseded_in = :batch_no
WHERE superseded_in IS NULL
  AND (batch_id = :batch_id{% if whole %} OR entity IN ('{{ whole | join("', '") }}'){% endif %})
