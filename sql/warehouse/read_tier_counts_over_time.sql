-- Customers per tier on every published day: one row per policy, day and tier.
SELECT spell.policy_id, run.as_of, spell.tier, COUNT(*) AS customers
FROM tiering.customer_tier_history AS spell
JOIN (
  SELECT DISTINCT policy_id, as_of FROM tiering.run WHERE status = 'published'
) AS run
  ON run.policy_id = spell.policy_id
  AND spell.valid_from <= run.as_of
  AND (spell.valid_to IS NULL OR spell.valid_to > run.as_of)
GROUP BY spell.policy_id, run.as_of, spell.tier
ORDER BY spell.policy_id, run.as_of, spell.tier
