-- Until when accounts that moved were last found where they stood, or beyond: the day after it, one row per account.
SELECT spell.customer_id, MAX(LEAST(COALESCE(spell.valid_to, CAST(:as_of AS DATE)), CAST(:as_of AS DATE))) AS until
FROM tiering.customer_tier_history AS spell
JOIN work.kept_by AS kept ON kept.customer_id = spell.customer_id AND kept.tier = spell.computed_tier
WHERE spell.policy_id = :policy_id AND spell.valid_from < :as_of
GROUP BY spell.customer_id
