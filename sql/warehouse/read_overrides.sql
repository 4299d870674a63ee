-- Approved overrides of a policy that reach a day or begin after it: one row each.
SELECT customer_id, tier, valid_from, valid_to
FROM tiering.override
WHERE policy_id = :policy_id AND approved_by IS NOT NULL AND superseded_at IS NULL
  AND (valid_to IS NULL OR valid_to > :as_of)
