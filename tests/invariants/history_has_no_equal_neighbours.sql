-- Neighbouring spells, or neighbouring absences, with the same content: one row each.
SELECT earlier.policy_id, earlier.customer_id, earlier.valid_to
FROM tiering.customer_tier_history AS earlier
JOIN tiering.customer_tier_history AS later
  ON later.policy_id = earlier.policy_id
  AND later.customer_id = earlier.customer_id
  AND later.valid_from = earlier.valid_to
WHERE later.tier = earlier.tier AND later.computed_tier = earlier.computed_tier AND later.status = earlier.status
UNION ALL
SELECT earlier.policy_id, earlier.customer_id, earlier.valid_to
FROM tiering.absence AS earlier
JOIN tiering.absence AS later
  ON later.policy_id = earlier.policy_id
  AND later.customer_id = earlier.customer_id
  AND later.valid_from = earlier.valid_to
WHERE later.reason = earlier.reason
