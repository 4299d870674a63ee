-- What the tiers of a day achieved, the 12 months after it against the 12 months up to it: one row per tier and measure.
{% import 'measures/exact.jinja' as exact %}
INSERT INTO tiering.tier_effect (policy_id, as_of, tier, measure, customers, before, after, change, change_rate)
WITH counted AS (
  SELECT tier, COUNT(DISTINCT account_id) AS customers
  FROM work.tier_member
  GROUP BY tier
),
paired AS (
  SELECT
    earlier.tier,
    earlier.measure,
    earlier.value AS before,
    later.value AS after,
    later.value - earlier.value AS change
  FROM work.tier_value AS earlier
  JOIN work.tier_value AS later
    ON later.tier = earlier.tier AND later.measure = earlier.measure AND later.side = 'after'
  WHERE earlier.side = 'before'
)
SELECT
  CAST(:policy_id AS TEXT),
  CAST(:as_of AS DATE),
  paired.tier,
  paired.measure,
  COALESCE(counted.customers, 0),
  paired.before,
  paired.after,
  paired.change,
  CASE
    WHEN paired.measure IN ('sales_share', 'average_satisfaction', 'average_survey_score')
    THEN {{ exact.long_ratio("paired.change", "paired.before", 18) }}
    ELSE {{ exact.long_ratio("paired.change", "paired.before") }}
  END
FROM paired
LEFT JOIN counted ON counted.tier = paired.tier
