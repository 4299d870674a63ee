-- Whose limits follow from a run: one row per account that has a tier on a day, or had a limit, with the indicators of the run.
WITH held AS (
  SELECT customer_id, tier
  FROM tiering.customer_tier_history
  WHERE policy_id = :policy_id AND valid_from <= :tier_on AND (valid_to IS NULL OR valid_to > :tier_on)
),
before AS (
  SELECT customer_id, class, limit_amount, sales_amount
  FROM tiering.credit_limit
  WHERE policy_id = :policy_id AND as_of = :day_before
),
decided AS (
  SELECT customer_id, limit_amount
  FROM tiering.credit_limit
  WHERE policy_id = :policy_id AND as_of = :as_of
),
known AS (
  SELECT customer_id FROM held
  UNION
  SELECT customer_id FROM before WHERE limit_amount > 0
  UNION
  SELECT customer_id FROM decided WHERE limit_amount > 0
),
component AS (
  SELECT
    customer_id
    {% for indicator in indicators %}
    , MAX(CASE WHEN indicator = :indicator_{{ loop.index0 }} THEN value END) AS value_{{ loop.index0 }}
    {% endfor %}
  FROM tiering.score_component
  WHERE policy_id = :policy_id AND as_of = :as_of AND revision = :revision
  GROUP BY customer_id
),
manager AS (
  SELECT customer_id, account_manager_id
  FROM tiering.decision
  WHERE policy_id = :policy_id AND as_of = :as_of AND revision = :revision
)
SELECT
  known.customer_id,
  held.tier,
  manager.account_manager_id,
  before.class AS previous_tier,
  before.limit_amount AS previous_limit,
  before.sales_amount AS previous_sales,
  decided.limit_amount AS decided_limit
  {% for indicator in indicators %}
  , component.value_{{ loop.index0 }}
  {% endfor %}
FROM known
LEFT JOIN held ON held.customer_id = known.customer_id
LEFT JOIN before ON before.customer_id = known.customer_id
LEFT JOIN decided ON decided.customer_id = known.customer_id
LEFT JOIN component ON component.customer_id = known.customer_id
LEFT JOIN manager ON manager.customer_id = known.customer_id
ORDER BY known.customer_id
