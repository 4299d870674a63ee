-- Who is to be contacted on a day under a policy: one row per account and reason, by cadence and by task.
INSERT INTO tiering.follow_up (
  policy_id, customer_id, reason, title_en, title_zh, tier, last_contact_on, due_on, overdue_days,
  account_manager_id, as_of
)
WITH known_customer AS (
  {% include 'measures/known_customer.sql' %}
),
opportunity AS (
  {% include 'measures/opportunity.sql' %}
),
service_event AS (
  {% include 'measures/service_event.sql' %}
),
account AS (
  {% include 'measures/accounts.sql' %}
),
contact AS (
  SELECT account.account_id, MAX(fact.contacted_on) AS last_contact_on
  FROM facts.contacts AS fact
  JOIN account ON account.customer_id = fact.customer_id
  WHERE fact.contacted_on <= :as_of
    AND fact.batch_no <= :facts_batch_no
    AND (fact.superseded_in IS NULL OR fact.superseded_in > :facts_batch_no)
  GROUP BY account.account_id
),
held AS (
  SELECT
    current.customer_id,
    current.tier,
    contact.last_contact_on,
    decision.account_manager_id,
    COALESCE(contact.last_contact_on, current.since_on) + definition.follow_up_days AS due_on
  FROM tiering.customer_tier AS current
  JOIN tiering.tier_definition AS definition
    ON definition.policy_id = current.policy_id AND definition.policy_version = current.policy_version
    AND definition.tier = current.tier
  JOIN tiering.decision AS decision
    ON decision.policy_id = current.policy_id AND decision.as_of = current.as_of
  AND decision.run_id = current.run_id AND decision.customer_id = current.customer_id
  LEFT JOIN contact ON contact.account_id = current.customer_id
  WHERE current.policy_id = :policy_id
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
  FROM held
  WHERE due_on <= :as_of
  UNION ALL
  SELECT
    task.customer_id,
    task.task,
    task.title_en,
    task.title_zh,
    current.tier,
    contact.last_contact_on,
    task.due_on,
    task.account_manager_id
  FROM tiering.task AS task
  LEFT JOIN tiering.customer_tier AS current
    ON current.policy_id = task.policy_id AND current.customer_id = task.customer_id
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
