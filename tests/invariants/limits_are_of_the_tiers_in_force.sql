-- Limits whose class is not the tier in force on their day, and tiers without a limit on a day that decided limits: one row each.
WITH day AS (
  SELECT policy_id, as_of FROM tiering.credit_budget WHERE class = '' AND reason IS NULL
),
held AS (
  SELECT day.policy_id, day.as_of, spell.customer_id, spell.tier
  FROM day
  JOIN tiering.customer_tier_history AS spell
    ON spell.policy_id = day.policy_id
    AND spell.valid_from <= day.as_of AND (spell.valid_to IS NULL OR spell.valid_to > day.as_of)
)
SELECT COALESCE(held.policy_id, decided.policy_id), COALESCE(held.customer_id, decided.customer_id)
FROM held
FULL OUTER JOIN tiering.credit_limit AS decided
  ON decided.policy_id = held.policy_id AND decided.as_of = held.as_of AND decided.customer_id = held.customer_id
WHERE decided.customer_id IS NULL OR held.tier IS DISTINCT FROM decided.class
