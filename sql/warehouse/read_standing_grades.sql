-- The grades of a policy for a business day that stand: one row per customer and stage.
SELECT policy_id, as_of, customer_id, stage, tier, graded_by, graded_on, reason
FROM tiering.grade
WHERE policy_id = :policy_id AND as_of = :as_of AND superseded_at IS NULL
ORDER BY customer_id, stage
