-- The current tier of every account: the open row of its history, with what the latest run found.
INSERT INTO tiering.customer_tier (
  policy_id, customer_id, tier, tier_rank, computed_tier, status, score, since_on, as_of, next_review_on,
  completeness, policy_version, run_id
)
WITH spell AS (
  SELECT
    customer_id,
    tier,
    computed_tier,
    status,
    valid_from,
    valid_to,
    CASE
      WHEN LAG(tier) OVER (PARTITION BY customer_id ORDER BY valid_from) = tier
        AND LAG(valid_to) OVER (PARTITION BY customer_id ORDER BY valid_from) = valid_from
      THEN 0 ELSE 1
    END AS begins
  FROM tiering.customer_tier_history
  WHERE policy_id = :policy_id
),
held AS (
  SELECT
    customer_id,
    tier,
    computed_tier,
    status,
    valid_to,
    MAX(CASE WHEN begins = 1 THEN valid_from END) OVER (PARTITION BY customer_id ORDER BY valid_from) AS since_on
  FROM spell
)
SELECT
  CAST(:policy_id AS TEXT),
  held.customer_id,
  held.tier,
  definition.tier_rank,
  held.computed_tier,
  held.status,
  decision.score,
  held.since_on,
  CAST(:as_of AS DATE),
  CAST(:next_review_on AS DATE),
  decision.completeness,
  CAST(:policy_version AS TEXT),
  CAST(:run_id AS TEXT)
FROM held
JOIN tiering.decision AS decision
  ON decision.policy_id = :policy_id AND decision.as_of = :as_of AND decision.revision = :revision
  AND decision.customer_id = held.customer_id
JOIN tiering.tier_definition AS definition
  ON definition.policy_id = :policy_id AND definition.policy_version = :policy_version AND definition.tier = held.tier
WHERE held.valid_to IS NULL
