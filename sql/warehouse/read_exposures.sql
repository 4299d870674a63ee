-- Since when accounts of a policy are over, as it was last seen: one row per account and selling company that is.
SELECT customer_id, entity, over_since
FROM tiering.credit_exposure
WHERE policy_id = :policy_id AND over_amount > 0
