-- One service level of a tier in a month: events opened in it by customers who then had the tier, and how many kept it.
-- answered: events that say after how many seconds, and calls that nobody answered, which did not keep it. A source that
-- never says seconds has none of either.
-- replied: events closed within the days, all but answered calls; a call that nobody answered is closed by calling back.
-- One that is open beyond its days did not keep it; one that still has time is not counted.
INSERT INTO tiering.service_level (
  policy_id, tier, target, period_start, period_end, within, target_share, attained_share, events, as_of
)
WITH {% include 'measures/accounts_of_day.jinja' %},
answers AS (
  SELECT COUNT(answered_seconds) AS known FROM service_event
),
due AS (
  SELECT
    event.event_id,
    {% if target == 'answered' %}
    CASE WHEN event.answered_seconds <= :within THEN event.event_id END AS kept_id
    {% else %}
    CASE WHEN date_diff('day', event.opened_on, event.closed_on) <= :within THEN event.event_id END AS kept_id
    {% endif %}
  FROM service_event AS event
  CROSS JOIN answers
  JOIN account ON account.customer_id = event.customer_id
  JOIN tiering.customer_tier_history AS spell
    ON spell.policy_id = :policy_id AND spell.tier = :tier AND spell.customer_id = account.account_id
    AND spell.valid_from <= event.opened_on AND (spell.valid_to IS NULL OR spell.valid_to > event.opened_on)
  WHERE event.opened_on BETWEEN :period_start AND :period_end
    {% if target == 'answered' %}
    AND (event.answered_seconds IS NOT NULL OR (event.kind = 'call' AND answers.known > 0))
    {% else %}
    AND (event.kind <> 'call' OR (event.answered_seconds IS NULL AND answers.known > 0))
    AND (event.closed_on IS NOT NULL OR date_diff('day', event.opened_on, CAST(:as_of AS DATE)) >= :within)
    {% endif %}
),
counted AS (
  SELECT COUNT(DISTINCT event_id) AS events, COUNT(DISTINCT kept_id) AS kept FROM due
)
SELECT
  CAST(:policy_id AS TEXT),
  CAST(:tier AS TEXT),
  CAST(:target AS TEXT),
  CAST(:period_start AS DATE),
  CAST(:period_end AS DATE),
  CAST(:within AS BIGINT),
  CAST(:target_share AS DECIMAL(5, 4)),
  CASE WHEN events > 0 THEN CAST((kept * 10000) // events AS DECIMAL(9, 4)) * CAST(0.0001 AS DECIMAL(5, 4)) END,
  events,
  CAST(:as_of AS DATE)
FROM counted
WHERE NOT EXISTS (
  SELECT 1
  FROM tiering.service_level
  WHERE policy_id = :policy_id AND tier = :tier AND target = :target AND period_start = :period_start
)
