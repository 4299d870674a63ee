-- States of movement that overlap, are doubly open, or say another tier than the history does where nobody overrode it: one row each.
SELECT state.policy_id, state.customer_id, state.valid_from
FROM tiering.movement_state AS state
JOIN tiering.customer_tier_history AS spell
  ON spell.policy_id = state.policy_id AND spell.customer_id = state.customer_id
  AND spell.valid_from < COALESCE(state.valid_to, DATE '9999-12-31')
  AND COALESCE(spell.valid_to, DATE '9999-12-31') > state.valid_from
WHERE spell.status <> 'overridden'
  AND (
    spell.tier IS DISTINCT FROM state.tier
    OR spell.computed_tier IS DISTINCT FROM state.computed_tier
    OR spell.status IS DISTINCT FROM state.status
  )
UNION ALL
SELECT state.policy_id, state.customer_id, state.valid_from
FROM tiering.movement_state AS state
JOIN tiering.absence AS absence
  ON absence.policy_id = state.policy_id AND absence.customer_id = state.customer_id
  AND absence.valid_from < COALESCE(state.valid_to, DATE '9999-12-31')
  AND COALESCE(absence.valid_to, DATE '9999-12-31') > state.valid_from
WHERE absence.reason IS DISTINCT FROM state.reason
UNION ALL
SELECT one.policy_id, one.customer_id, one.valid_from
FROM tiering.movement_state AS one
JOIN tiering.movement_state AS other
  ON other.policy_id = one.policy_id AND other.customer_id = one.customer_id
  AND other.valid_from >= one.valid_from
  AND other.valid_from < COALESCE(one.valid_to, DATE '9999-12-31')
GROUP BY one.policy_id, one.customer_id, one.valid_from
HAVING COUNT(*) > 1
