-- Customers per tier on the last published days up to one: one row per day, account manager and tier.
-- The account managers are those of the day asked for, on every day; who was not looked at then has none (`is_owned`).
-- `measured_run_id`: the run that says whose they are: on a day of people's decisions, the run before.
WITH published AS (
  SELECT DISTINCT as_of
  FROM tiering.run
  WHERE policy_id = :policy_id AND status = 'published' AND as_of <= :as_of
  ORDER BY as_of DESC
  LIMIT :days
),
owned AS (
  SELECT customer_id, account_manager_id
  FROM tiering.decision
  WHERE run_id = :measured_run_id
  UNION ALL
  SELECT customer_id, account_manager_id
  FROM tiering.exclusion
  WHERE run_id = :measured_run_id
),
alike AS (
  SELECT
    owned.account_manager_id,
    owned.customer_id IS NOT NULL AS is_owned,
    spell.tier,
    spell.valid_from,
    spell.valid_to,
    COUNT(*) AS customers
  FROM tiering.customer_tier_history AS spell
  LEFT JOIN owned ON owned.customer_id = spell.customer_id
  WHERE spell.policy_id = :policy_id
  GROUP BY owned.account_manager_id, owned.customer_id IS NOT NULL, spell.tier, spell.valid_from, spell.valid_to
)
SELECT
  published.as_of,
  alike.account_manager_id,
  alike.is_owned,
  alike.tier,
  CAST(SUM(alike.customers) AS BIGINT) AS customers
FROM alike
JOIN published
  ON alike.valid_from <= published.as_of AND (alike.valid_to IS NULL OR alike.valid_to > published.as_of)
GROUP BY published.as_of, alike.account_manager_id, alike.is_owned, alike.tier
ORDER BY published.as_of
