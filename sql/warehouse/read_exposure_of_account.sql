-- How an account stands on the latest day that was looked at: a row for it, and one for every selling company it has a limit towards.
SELECT
  entity, as_of, kind, limit_amount, effective_limit, limited_by, currency, exposure, group_id, group_exposure,
  headroom, over_amount, over_since, action
FROM tiering.credit_exposure
WHERE policy_id = :policy_id AND customer_id = :customer_id
ORDER BY entity
