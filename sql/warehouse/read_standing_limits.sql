-- The limits of a policy that people gave and that stand, approved or not: one row each.
SELECT
  policy_id,
  level,
  customer_id,
  entity,
  limit_amount,
  is_mandatory,
  reason,
  requested_by,
  approved_by,
  valid_from,
  valid_to
FROM tiering.given_limit
WHERE policy_id = :policy_id AND superseded_at IS NULL
ORDER BY level, customer_id, entity, valid_from
