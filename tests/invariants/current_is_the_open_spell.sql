-- Current tiers that are not the open row of their history, or stand twice, or have no open row: one row each.
WITH open_spell AS (
  SELECT policy_id, customer_id, tier, computed_tier, status
  FROM tiering.customer_tier_history
  WHERE valid_to IS NULL
),
current_row AS (
  SELECT policy_id, customer_id, tier, computed_tier, status, COUNT(*) AS standing
  FROM tiering.customer_tier
  GROUP BY policy_id, customer_id, tier, computed_tier, status
)
SELECT
  COALESCE(current_row.policy_id, open_spell.policy_id) AS policy_id,
  COALESCE(current_row.customer_id, open_spell.customer_id) AS customer_id
FROM current_row
FULL OUTER JOIN open_spell
  ON open_spell.policy_id = current_row.policy_id AND open_spell.customer_id = current_row.customer_id
WHERE current_row.customer_id IS NULL
  OR open_spell.customer_id IS NULL
  OR current_row.standing <> 1
  OR current_row.tier <> open_spell.tier
  OR current_row.computed_tier <> open_spell.computed_tier
  OR current_row.status <> open_spell.status
