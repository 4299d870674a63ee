-- The overrides of a policy that stand, approved or not: one row each.
SELECT policy_id, customer_id, tier, reason, requested_by, approved_by, valid_from, valid_to
FROM tiering.override
WHERE policy_id = :policy_id AND superseded_at IS NULL
ORDER BY customer_id, valid_from, tier
