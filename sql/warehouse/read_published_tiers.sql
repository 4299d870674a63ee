-- Customers per current tier: one row per policy and tier.
SELECT policy_id, as_of, tier, tier_rank, COUNT(*) AS customers
FROM tiering.customer_tier
GROUP BY policy_id, as_of, tier, tier_rank
ORDER BY policy_id, tier_rank
