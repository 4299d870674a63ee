-- One service level of a tier in a month: events opened in it by customers who then had the tier, and how many kept it.
-- An event that was never answered, or is open beyond its days, is one that did not; one that still has time is not counted.
INSERT INTO tiering.service_level (
  policy_id, tier, target, period_start, period_end, within, target_share, attained_share, events
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
counted AS (
  SELECT
    COUNT(*) AS events,
    COUNT(
      CASE
        {% if target == 'answered' %}
        WHEN event.answered_seconds <= :within THEN 1
        {% else %}
        WHEN date_diff('day', event.opened_on, event.closed_on) <= :within THEN 1
        {% endif %}
      END
    ) AS kept
  FROM service_event AS event
  JOIN account ON account.customer_id = event.customer_id
  JOIN tiering.customer_tier_history AS spell
    ON spell.policy_id = :policy_id AND spell.tier = :tier AND spell.customer_id = account.account_id
    AND spell.valid_from <= event.opened_on AND (spell.valid_to IS NULL OR spell.valid_to > event.opened_on)
  WHERE event.opened_on >= :period_start
    {% if target == 'answered' %}
    AND event.kind = 'call'
    {% else %}
    AND event.kind <> 'call'
    AND (event.closed_on IS NOT NULL OR date_diff('day', event.opened_on, CAST(:as_of AS DATE)) > :within)
    {% endif %}
)
SELECT
  CAST(:policy_id AS TEXT),
  CAST(:tier AS TEXT),
  CAST(:target AS TEXT),
  CAST(:period_start AS DATE),
  CAST(:as_of AS DATE),
  CAST(:within AS BIGINT),
  CAST(:target_share AS DECIMAL(5, 4)),
  CASE WHEN events > 0 THEN CAST((kept * 10000) // events AS DECIMAL(9, 4)) * CAST(0.0001 AS DECIMAL(5, 4)) END,
  events
FROM counted
