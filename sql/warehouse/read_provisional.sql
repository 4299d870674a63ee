-- Whose tier in force on a day is provisional, with the day on which the policy was published last: one row per account.
WITH {% include 'warehouse/begun_spells.jinja' %},
published AS (
  SELECT run_id, as_of
  FROM tiering.run
  WHERE policy_id = :policy_id AND status = 'published' AND as_of <= :as_of
  ORDER BY as_of DESC, revision DESC
  LIMIT 1
)
SELECT
  begun.customer_id,
  begun.tier,
  begun.since_on,
  published.as_of AS published_on,
  decision.account_manager_id
FROM begun
CROSS JOIN published
LEFT JOIN tiering.decision AS decision
  ON decision.run_id = published.run_id AND decision.customer_id = begun.customer_id
WHERE begun.status = 'provisional' AND (begun.valid_to IS NULL OR begun.valid_to > :as_of)
ORDER BY begun.customer_id
