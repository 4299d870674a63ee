-- Lines of the outlook that stand twice, are not of the latest published run, or do not lead where they say: one row each.
WITH day AS (
  SELECT policy_id, MAX(as_of) AS as_of
  FROM tiering.run
  WHERE status = 'published' AND revision > 0
  GROUP BY policy_id
),
latest AS (
  SELECT run.policy_id, run.as_of, run.run_id, run.policy_version, run.revision
  FROM tiering.run AS run
  JOIN day ON day.policy_id = run.policy_id AND day.as_of = run.as_of
  WHERE run.status = 'published'
    AND NOT EXISTS (
      SELECT 1
      FROM tiering.run AS later
      WHERE later.policy_id = run.policy_id AND later.as_of = run.as_of
        AND later.status = 'published' AND later.revision > run.revision
    )
)
SELECT policy_id, customer_id
FROM tiering.tier_outlook
GROUP BY policy_id, customer_id, direction
HAVING COUNT(*) > 1
UNION ALL
SELECT line.policy_id, line.customer_id
FROM tiering.tier_outlook AS line
LEFT JOIN latest
  ON latest.policy_id = line.policy_id AND latest.as_of = line.as_of AND latest.run_id = line.run_id
LEFT JOIN tiering.decision AS decision
  ON decision.policy_id = line.policy_id AND decision.customer_id = line.customer_id
  AND decision.as_of = latest.as_of AND decision.revision = latest.revision
LEFT JOIN tiering.score_component AS component
  ON component.policy_id = line.policy_id AND component.customer_id = line.customer_id
  AND component.as_of = latest.as_of AND component.revision = latest.revision
  AND component.indicator = line.indicator
LEFT JOIN tiering.customer_tier AS standing
  ON standing.policy_id = line.policy_id AND standing.customer_id = line.customer_id
LEFT JOIN tiering.tier_definition AS found
  ON found.policy_id = line.policy_id AND found.policy_version = latest.policy_version AND found.tier = line.tier
LEFT JOIN tiering.tier_definition AS reached
  ON reached.policy_id = line.policy_id AND reached.policy_version = latest.policy_version
  AND reached.tier = line.to_tier
WHERE latest.run_id IS NULL
  OR standing.customer_id IS NULL
  OR standing.status = 'overridden'
  OR decision.held_because IS NOT NULL
  OR COALESCE(decision.computed_tier, '') <> line.tier
  OR COALESCE(component.value, line.value + 1) <> line.value
  OR line.needed - line.value <> line.change
  OR line.by_on <= line.as_of
  OR COALESCE((reached.tier_rank < found.tier_rank) <> (line.direction = 'up'), TRUE)
  OR reached.tier_rank = found.tier_rank
  OR line.keeps <> (
    line.direction = 'up' AND standing.status = 'held'
    AND standing.tier_rank < found.tier_rank AND reached.tier_rank <= standing.tier_rank
  )
