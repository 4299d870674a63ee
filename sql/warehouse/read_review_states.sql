-- How far the review of a business day has come, as of a day: one row per account in scope (S15).
-- collected, screened, analysed (pre-graded), graded (a final grade, or published), notified, re_review (due again).
WITH {% include 'measures/accounts_of_day.jinja' %},
population AS (
  {% include 'measures/population.sql' %}
),
given AS (
  SELECT
    customer_id,
    MAX(CASE WHEN stage = 'screened' THEN 1 ELSE 0 END) AS is_screened,
    MAX(CASE WHEN stage = 'pre_graded' THEN 1 ELSE 0 END) AS is_pre_graded,
    MAX(CASE WHEN stage = 'final' THEN 1 ELSE 0 END) AS is_final
  FROM tiering.grade
  WHERE policy_id = :policy_id AND as_of = :as_of AND superseded_at IS NULL
  GROUP BY customer_id
),
published AS (
  SELECT decision.customer_id
  FROM tiering.run AS run
  JOIN tiering.decision AS decision ON decision.run_id = run.run_id
  WHERE run.policy_id = :policy_id AND run.as_of = :as_of AND run.status = 'published'
  GROUP BY decision.customer_id
),
told AS (
  SELECT customer_id, MAX(valid_until) AS valid_until
  FROM tiering.customer_notice
  WHERE policy_id = :policy_id AND as_of = :as_of
  GROUP BY customer_id
)
SELECT
  population.account_id AS customer_id,
  CASE
    WHEN told.valid_until <= :today THEN 're_review'
    WHEN told.valid_until IS NOT NULL THEN 'notified'
    WHEN given.is_final = 1 OR published.customer_id IS NOT NULL THEN 'graded'
    WHEN given.is_pre_graded = 1 THEN 'analysed'
    WHEN given.is_screened = 1 THEN 'screened'
    ELSE 'collected'
  END AS state
FROM population
LEFT JOIN given ON given.customer_id = population.account_id
LEFT JOIN published ON published.customer_id = population.account_id
LEFT JOIN told ON told.customer_id = population.account_id
ORDER BY population.account_id
