-- Ends the row that stands for a policy, a customer and a first day: a later line takes its place.
UPDATE tiering.override
SET superseded_at = :recorded_at
WHERE policy_id = :policy_id AND customer_id = :customer_id AND valid_from = :valid_from AND superseded_at IS NULL
