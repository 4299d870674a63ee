-- What publishing a run would move, against the tiers in force just before its day, those set by hand left aside: one row.
WITH before AS (
  SELECT customer_id, tier, status
  FROM tiering.customer_tier_history
  WHERE policy_id = :policy_id AND valid_from < :as_of AND (valid_to IS NULL OR valid_to >= :as_of)
),
now AS (
  SELECT customer_id, computed_tier AS tier FROM work.decided WHERE run_id = :run_id
)
SELECT
  COUNT(before.customer_id) AS graded_before,
  COUNT(CASE WHEN now.tier IS NOT NULL THEN 1 END) AS graded_now,
  COUNT(CASE WHEN now.tier IS NULL AND now.customer_id IS NOT NULL THEN 1 END) AS excluded_now,
  COUNT(CASE WHEN before.tier <> now.tier AND before.status <> 'overridden' THEN 1 END) AS moved,
  COUNT(CASE WHEN before.customer_id IS NULL AND now.tier IS NOT NULL THEN 1 END) AS appeared,
  COUNT(CASE WHEN before.customer_id IS NOT NULL AND now.tier IS NULL THEN 1 END) AS disappeared,
  COUNT(CASE WHEN now.tier IN (SELECT tier FROM work.approved_tier) THEN 1 END) AS need_approval
FROM before
FULL OUTER JOIN now ON now.customer_id = before.customer_id
