-- What the cadence asked for in a month, and what was done: one row per tier and account manager.
-- Everybody counts for the days on which they had the tier. A contact is due so many days after the last one before
-- these days, or after the tier began where none is known; one that was due before is due on their first day.
INSERT INTO tiering.visit_plan (
  policy_id, tier, account_manager_id, period_start, period_end, customers, planned, made, visits, as_of
)
WITH {% include 'measures/accounts_of_day.jinja' %},
population AS (
  {% include 'measures/population.sql' %}
),
published AS (
  SELECT run_id, policy_version
  FROM tiering.run
  WHERE policy_id = :policy_id AND status = 'published' AND as_of <= :as_of
  ORDER BY as_of DESC, revision DESC
  LIMIT 1
),
{% if publishes == 'class' %}
held AS (
  SELECT decision.customer_id, decision.computed_tier AS tier, MIN(earlier.as_of) AS since_on, CAST(NULL AS DATE) AS until_on
  FROM tiering.decision AS decision
  JOIN published ON published.run_id = decision.run_id
  JOIN tiering.decision AS earlier
    ON earlier.policy_id = decision.policy_id AND earlier.customer_id = decision.customer_id
    AND earlier.as_of <= :as_of
  GROUP BY decision.customer_id, decision.computed_tier
),
{% else %}
{% include 'warehouse/begun_spells.jinja' %},
held AS (
  SELECT
    customer_id,
    tier,
    since_on,
    CASE WHEN COUNT(*) = COUNT(valid_to) THEN MAX(valid_to) END AS until_on
  FROM begun
  GROUP BY customer_id, tier, since_on
),
{% endif %}
stay AS (
  SELECT
    held.customer_id,
    population.account_manager_id,
    held.tier,
    definition.follow_up_days,
    held.since_on,
    CASE WHEN held.since_on > :period_start THEN held.since_on ELSE CAST(:period_start AS DATE) END AS first_on,
    CASE WHEN held.until_on <= :as_of THEN held.until_on - 1 ELSE CAST(:as_of AS DATE) END AS last_on
  FROM held
  CROSS JOIN published
  JOIN population ON population.account_id = held.customer_id
  JOIN tiering.tier_definition AS definition
    ON definition.policy_id = :policy_id AND definition.policy_version = published.policy_version
    AND definition.tier = held.tier AND definition.follow_up_days IS NOT NULL
  WHERE held.until_on IS NULL OR held.until_on > :period_start
),
contact AS (
  SELECT account.account_id, fact.contacted_on, fact.channel
  FROM facts.contacts AS fact
  JOIN account ON account.customer_id = fact.customer_id
  WHERE fact.contacted_on <= :as_of
    AND fact.batch_no <= :facts_batch_no
    AND (fact.superseded_in IS NULL OR fact.superseded_in > :facts_batch_no)
),
met AS (
  SELECT
    stay.customer_id,
    stay.account_manager_id,
    stay.tier,
    stay.follow_up_days,
    stay.since_on,
    stay.first_on,
    stay.last_on,
    MAX(CASE WHEN contact.contacted_on < stay.first_on THEN contact.contacted_on END) AS met_before_on,
    COUNT(CASE WHEN contact.contacted_on >= stay.first_on THEN 1 END) AS made,
    COUNT(CASE WHEN contact.contacted_on >= stay.first_on AND contact.channel = 'visit' THEN 1 END) AS visits
  FROM stay
  LEFT JOIN contact ON contact.account_id = stay.customer_id AND contact.contacted_on <= stay.last_on
  GROUP BY
    stay.customer_id,
    stay.account_manager_id,
    stay.tier,
    stay.follow_up_days,
    stay.since_on,
    stay.first_on,
    stay.last_on
),
due AS (
  SELECT
    customer_id,
    account_manager_id,
    tier,
    follow_up_days,
    last_on,
    GREATEST(COALESCE(met_before_on, since_on) + follow_up_days, first_on) AS due_on,
    made,
    visits
  FROM met
)
SELECT
  CAST(:policy_id AS TEXT),
  tier,
  account_manager_id,
  CAST(:period_start AS DATE),
  CAST(:as_of AS DATE),
  COUNT(DISTINCT customer_id),
  SUM(CASE WHEN due_on <= last_on THEN date_diff('day', due_on, last_on) // follow_up_days + 1 ELSE 0 END),
  SUM(made),
  SUM(visits),
  CAST(:counted_on AS DATE)
FROM due
WHERE NOT EXISTS (
  SELECT 1 FROM tiering.visit_plan WHERE policy_id = :policy_id AND period_start = :period_start
)
GROUP BY tier, account_manager_id
