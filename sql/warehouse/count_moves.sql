-- How a run moves the accounts that are not folded one by one: one row per tier before and after, and whether it is
-- excluded.
SELECT tier_before, tier, is_excluded, COUNT(*) AS customers
FROM (
  SELECT decided.computed_tier AS tier_before, decided.computed_tier AS tier, decided.computed_tier IS NULL AS is_excluded
  FROM work.decided AS decided
  LEFT JOIN work.differing AS differing ON differing.customer_id = decided.customer_id
  WHERE decided.run_id = :run_id AND differing.customer_id IS NULL
  UNION ALL
  SELECT tier_before, tier, tier IS NULL AND reason NOT IN ('left', 'erased')
  FROM work.differing
  WHERE is_plain
) AS moved
GROUP BY tier_before, tier, is_excluded
