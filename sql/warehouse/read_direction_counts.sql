-- Standing moves per policy and day: one row per policy and published day.
SELECT
  run.policy_id,
  run.as_of,
  run.decided_customers,
  run.excluded_customers,
  COUNT(CASE WHEN change.direction = 'up' THEN 1 END) AS up,
  COUNT(CASE WHEN change.direction = 'down' THEN 1 END) AS down,
  COUNT(CASE WHEN change.direction = 'new' THEN 1 END) AS new,
  COUNT(CASE WHEN change.direction = 'left' THEN 1 END) AS gone
FROM tiering.run AS run
LEFT JOIN tiering.tier_change AS change ON change.run_id = run.run_id AND change.superseded_at IS NULL
WHERE run.status = 'published'
GROUP BY run.policy_id, run.as_of, run.decided_customers, run.excluded_customers
ORDER BY run.policy_id, run.as_of
