-- Who is to be contacted on a day under a policy: one row per account and reason, by cadence and by task.
-- The tier is the one in force on the day. Of the tasks that stand, those count that were opened by then.
INSERT INTO tiering.follow_up (
  policy_id, customer_id, reason, title_en, title_zh, tier, last_contact_on, due_on, overdue_days,
  account_manager_id, as_of
)
WITH {% include 'measures/accounts_of_day.jinja' %},
contact AS (
  {% include 'measures/last_contact.sql' %}
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
  SELECT decision.customer_id, decision.computed_tier AS tier, MIN(earlier.as_of) AS since_on
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
  SELECT customer_id, tier, since_on FROM begun WHERE valid_to IS NULL OR valid_to > :as_of
),
{% endif %}
cadence AS (
  SELECT
    held.customer_id,
    held.tier,
    contact.last_contact_on,
    decision.account_manager_id,
    COALESCE(contact.last_contact_on, held.since_on) + definition.follow_up_days AS due_on
  FROM held
  CROSS JOIN published
  JOIN tiering.tier_definition AS definition
    ON definition.policy_id = :policy_id AND definition.policy_version = published.policy_version
    AND definition.tier = held.tier
  LEFT JOIN tiering.decision AS decision
    ON decision.run_id = published.run_id AND decision.customer_id = held.customer_id
  LEFT JOIN contact ON contact.account_id = held.customer_id
),
due AS (
  SELECT
    customer_id,
    'cadence' AS reason,
    CAST(NULL AS TEXT) AS title_en,
    CAST(NULL AS TEXT) AS title_zh,
    tier,
    last_contact_on,
    due_on,
    account_manager_id
  FROM cadence
  WHERE due_on <= :as_of
  UNION ALL
  SELECT
    task.customer_id,
    task.task,
    task.title_en,
    task.title_zh,
    held.tier,
    contact.last_contact_on,
    task.due_on,
    task.account_manager_id
  FROM tiering.task AS task
  LEFT JOIN held ON held.customer_id = task.customer_id
  LEFT JOIN contact ON contact.account_id = task.customer_id
  WHERE task.policy_id = :policy_id
    AND task.opened_on <= :as_of
    AND NOT (task.done_by_contact AND COALESCE(contact.last_contact_on > task.opened_on, FALSE))
)
SELECT
  CAST(:policy_id AS TEXT),
  customer_id,
  reason,
  title_en,
  title_zh,
  tier,
  last_contact_on,
  due_on,
  CASE WHEN due_on < :as_of THEN date_diff('day', due_on, CAST(:as_of AS DATE)) ELSE 0 END,
  account_manager_id,
  CAST(:as_of AS DATE)
FROM due
