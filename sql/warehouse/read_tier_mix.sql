-- Customers per tier of every account manager on a published day, and just before it: one row per manager and tier.
-- `measured_run_id`: the run that says whose they are: on a day of people's decisions, the run before.
WITH owned AS (
  SELECT customer_id, account_manager_id
  FROM tiering.decision
  WHERE run_id = :measured_run_id
  UNION ALL
  SELECT customer_id, account_manager_id
  FROM tiering.exclusion
  WHERE run_id = :measured_run_id
),
placed AS (
  SELECT owned.account_manager_id, spell.customer_id, spell.tier, TRUE AS is_now
  FROM tiering.customer_tier_history AS spell
  JOIN owned ON owned.customer_id = spell.customer_id
  WHERE spell.policy_id = :policy_id
    AND spell.valid_from <= :as_of
    AND (spell.valid_to IS NULL OR spell.valid_to > :as_of)
  UNION ALL
  SELECT owned.account_manager_id, spell.customer_id, spell.tier, FALSE AS is_now
  FROM tiering.customer_tier_history AS spell
  JOIN owned ON owned.customer_id = spell.customer_id
  WHERE spell.policy_id = :policy_id
    AND spell.valid_from < :as_of
    AND (spell.valid_to IS NULL OR spell.valid_to >= :as_of)
)
SELECT
  account_manager_id,
  tier,
  COUNT(CASE WHEN is_now THEN 1 END) AS customers,
  COUNT(CASE WHEN NOT is_now THEN 1 END) AS customers_before
FROM placed
GROUP BY account_manager_id, tier
