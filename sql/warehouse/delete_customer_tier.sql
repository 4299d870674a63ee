-- Empties the current tiers of a policy before they are written again, in the same transaction.
DELETE FROM tiering.customer_tier WHERE policy_id = :policy_id
