-- The lines near the customers of the latest published run, by what is in force now: one row per customer and direction.
-- A tier set by people, and one found on inputs that are held, has no outlook.
INSERT INTO tiering.tier_outlook (
  policy_id, customer_id, direction, tier, to_tier, indicator, value, needed, change, relative_change, by_on, keeps,
  account_manager_id, as_of, run_id
)
SELECT
  CAST(:policy_id AS TEXT),
  line.customer_id,
  line.direction,
  line.tier,
  line.to_tier,
  line.indicator,
  line.value,
  line.needed,
  line.change,
  line.relative_change,
  CAST(:by_on AS DATE),
  line.direction = 'up'
    AND standing.status = 'held'
    AND standing.tier_rank < found.tier_rank
    AND reached.tier_rank <= standing.tier_rank,
  decision.account_manager_id,
  CAST(:as_of AS DATE),
  CAST(:run_id AS TEXT)
FROM work.outlook AS line
JOIN tiering.decision AS decision
  ON decision.policy_id = :policy_id AND decision.as_of = :as_of AND decision.revision = :revision
  AND decision.customer_id = line.customer_id AND decision.held_because IS NULL
JOIN tiering.customer_tier AS standing
  ON standing.policy_id = :policy_id AND standing.customer_id = line.customer_id
JOIN tiering.tier_definition AS found
  ON found.policy_id = :policy_id AND found.policy_version = :policy_version AND found.tier = line.tier
JOIN tiering.tier_definition AS reached
  ON reached.policy_id = :policy_id AND reached.policy_version = :policy_version AND reached.tier = line.to_tier
WHERE line.run_id = :run_id
  AND (
    standing.status IN ('held', 'pending')
    OR (standing.status <> 'overridden' AND standing.tier = standing.computed_tier)
  )
