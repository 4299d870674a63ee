-- What the runs of later published days found: one row per day and account in scope; one of tier and reason is set.
WITH published AS (
  SELECT run_id, as_of, ROW_NUMBER() OVER (PARTITION BY as_of ORDER BY revision DESC) AS nth
  FROM tiering.run
  WHERE policy_id = :policy_id AND as_of > :as_of AND status = 'published'
)
SELECT
  published.as_of,
  decision.customer_id,
  decision.computed_tier,
  decision.status,
  CAST(NULL AS TEXT) AS reason
FROM tiering.decision AS decision
JOIN published ON published.run_id = decision.run_id AND published.nth = 1
UNION ALL
SELECT published.as_of, exclusion.customer_id, NULL, NULL, exclusion.reason
FROM tiering.exclusion AS exclusion
JOIN published ON published.run_id = exclusion.run_id AND published.nth = 1
