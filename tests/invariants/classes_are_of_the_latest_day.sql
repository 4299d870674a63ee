-- Classes that stand twice, or are not what the latest published day says, and decided customers of a class policy without one: one row each.
WITH class_policy AS (
  SELECT policy_id, policy_version
  FROM tiering.policy_version
  WHERE policy_text LIKE '%' || CHR(10) || 'publishes: class%'
),
day AS (
  SELECT policy_id, MAX(as_of) AS as_of FROM tiering.run WHERE status = 'published' GROUP BY policy_id
),
latest AS (
  SELECT run.policy_id, run.as_of, run.policy_version, MAX(run.revision) AS revision
  FROM tiering.run AS run
  JOIN day ON day.policy_id = run.policy_id AND day.as_of = run.as_of
  WHERE run.status = 'published'
    AND NOT EXISTS (
      SELECT 1
      FROM tiering.run AS later
      WHERE later.policy_id = run.policy_id AND later.as_of = run.as_of
        AND later.status = 'published' AND later.revision > run.revision
    )
  GROUP BY run.policy_id, run.as_of, run.policy_version
),
said AS (
  SELECT
    decision.policy_id,
    decision.customer_id,
    decision.run_id,
    latest.as_of,
    latest.revision,
    latest.policy_version,
    CASE WHEN class_policy.policy_id IS NOT NULL THEN decision.computed_tier END AS decided_class
  FROM tiering.decision AS decision
  JOIN latest
    ON latest.policy_id = decision.policy_id AND latest.as_of = decision.as_of AND latest.revision = decision.revision
  LEFT JOIN class_policy
    ON class_policy.policy_id = latest.policy_id AND class_policy.policy_version = latest.policy_version
)
SELECT policy_id, customer_id
FROM tiering.customer_class
GROUP BY policy_id, customer_id
HAVING COUNT(*) > 1
UNION ALL
SELECT standing.policy_id, standing.customer_id
FROM tiering.customer_class AS standing
LEFT JOIN said ON said.policy_id = standing.policy_id AND said.customer_id = standing.customer_id
  AND said.run_id = standing.run_id AND said.as_of = standing.as_of
  AND said.policy_version = standing.policy_version
WHERE said.customer_id IS NULL
  OR (said.decided_class IS NOT NULL AND said.decided_class <> standing.class)
  OR (
    said.decided_class IS NULL
    AND NOT EXISTS (
      SELECT 1
      FROM tiering.score_component AS component
      JOIN tiering.class_definition AS definition
        ON definition.policy_id = component.policy_id AND definition.policy_version = said.policy_version
        AND definition.class = component.value_text
      WHERE component.policy_id = said.policy_id AND component.as_of = said.as_of
        AND component.revision = said.revision AND component.customer_id = said.customer_id
        AND component.value_text = standing.class
    )
  )
UNION ALL
SELECT said.policy_id, said.customer_id
FROM said
LEFT JOIN tiering.customer_class AS standing
  ON standing.policy_id = said.policy_id AND standing.customer_id = said.customer_id
WHERE said.decided_class IS NOT NULL AND standing.customer_id IS NULL
