-- The policies whose callers have an order: one row per policy, with the published day that the tiers are of.
SELECT DISTINCT policy_id, published_on
FROM tiering.queue_priority
ORDER BY policy_id
