-- Service levels of the two latest months of every policy: one row per policy, tier, target and month.
SELECT
  policy_id, tier, target, period_start, period_end, within, target_share, attained_share, events
FROM (
  SELECT
    policy_id,
    tier,
    target,
    period_start,
    period_end,
    within,
    target_share,
    attained_share,
    events,
    DENSE_RANK() OVER (PARTITION BY policy_id ORDER BY period_start DESC) AS nth
  FROM tiering.service_level
) AS level
WHERE nth <= 2
ORDER BY policy_id, tier, target, period_start
