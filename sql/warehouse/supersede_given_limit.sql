-- Ends the row that stands for a policy, a level, a customer, an entity and a first day: a later line takes its place.
UPDATE tiering.given_limit
SET superseded_at = :recorded_at
WHERE policy_id = :policy_id AND level = :level AND customer_id = :customer_id AND entity = :entity
  AND valid_from = :valid_from AND superseded_at IS NULL
