-- Ends the row that stands for a policy, a day, a customer and a stage: a later line takes its place.
UPDATE tiering.grade
SET superseded_at = :recorded_at
WHERE policy_id = :policy_id AND as_of = :as_of AND customer_id = :customer_id AND stage = :stage
  AND superseded_at IS NULL
