-- In which order callers are served on a day under a policy: one row per customer with a tier, or blacklisted.
-- The tier is the one in force on the day. Who is gone from the source, or erased, is not listed.
INSERT INTO tiering.queue_priority (
  policy_id, customer_id, tier, queue_priority, is_blacklisted, queue_position, as_of, published_on
)
WITH {% include 'measures/accounts_of_day.jinja' %},
published AS (
  SELECT run_id, as_of
  FROM tiering.run
  WHERE policy_id = :policy_id AND status = 'published' AND as_of <= :as_of
  ORDER BY as_of DESC, revision DESC
  LIMIT 1
),
held AS (
  {% if publishes == 'class' %}
  SELECT decision.customer_id, decision.computed_tier AS tier
  FROM tiering.decision AS decision
  JOIN published ON published.run_id = decision.run_id
  {% else %}
  SELECT customer_id, tier
  FROM tiering.customer_tier_history
  WHERE policy_id = :policy_id
    AND valid_from <= :as_of
    AND (valid_to IS NULL OR valid_to > :as_of)
  {% endif %}
),
caller AS (
  SELECT
    account.customer_id,
    held.tier,
    stated.queue_priority,
    COALESCE(known.is_blocked, FALSE) OR COALESCE(heir.is_blocked, FALSE) AS is_blacklisted,
    ROW_NUMBER() OVER (
      PARTITION BY account.customer_id ORDER BY stated.tier_rank NULLS LAST, held.tier COLLATE "C"
    ) AS nth
  FROM account
  JOIN known_customer AS known ON known.customer_id = account.customer_id
  JOIN known_customer AS heir ON heir.customer_id = account.owner_id
  LEFT JOIN departed ON departed.customer_id = account.customer_id
  LEFT JOIN held ON held.customer_id = account.account_id
  LEFT JOIN work.queue_tier AS stated ON stated.tier = held.tier
  WHERE departed.customer_id IS NULL
)
SELECT
  CAST(:policy_id AS TEXT),
  caller.customer_id,
  caller.tier,
  caller.queue_priority,
  caller.is_blacklisted,
  CASE
    WHEN caller.is_blacklisted THEN CAST(:last_priority AS INTEGER) + 2
    WHEN caller.queue_priority IS NULL THEN CAST(:last_priority AS INTEGER) + 1
    ELSE caller.queue_priority
  END,
  CAST(:as_of AS DATE),
  published.as_of
FROM caller
CROSS JOIN published
WHERE caller.nth = 1 AND (caller.tier IS NOT NULL OR caller.is_blacklisted)
