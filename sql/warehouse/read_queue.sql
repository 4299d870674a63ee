-- In which order callers are served, as it stands: one row per policy and customer, who is served first to the front.
SELECT customer_id, tier, queue_priority, is_blacklisted
FROM tiering.queue_priority
WHERE policy_id = :policy_id
ORDER BY queue_position, customer_id COLLATE "C"
