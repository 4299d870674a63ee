-- Who is to be told the tier of a published day and was not told it yet: one row per account.
-- A tier whose approval is open is not told.
SELECT
  held.customer_id,
  held.tier,
  held.status,
  held.next_review_on,
  definition.title_en,
  definition.title_zh,
  definition.terms,
  definition.service_levels,
  definition.coverage,
  named.name,
  COALESCE(spoken.value, manager.locale) AS locale
FROM tiering.customer_tier AS held
JOIN tiering.tier_definition AS definition
  ON definition.policy_id = held.policy_id AND definition.policy_version = held.policy_version
  AND definition.tier = held.tier
LEFT JOIN tiering.decision AS decision
  ON decision.run_id = held.run_id AND decision.customer_id = held.customer_id
LEFT JOIN facts.account_managers AS manager
  ON manager.account_manager_id = decision.account_manager_id AND manager.superseded_in IS NULL
LEFT JOIN {% include 'warehouse/latest_customer.jinja' %} AS named ON named.customer_id = held.customer_id
LEFT JOIN (
  SELECT customer_id, value, ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY holds_from DESC) AS nth
  FROM facts.customer_attributes
  WHERE superseded_in IS NULL AND attribute = 'locale'
) AS spoken ON spoken.customer_id = held.customer_id AND spoken.nth = 1
LEFT JOIN (
  SELECT customer_id, tier, ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY prepared_at DESC, file DESC) AS nth
  FROM tiering.customer_notice
  WHERE policy_id = :policy_id AND as_of = :as_of
) AS told ON told.customer_id = held.customer_id AND told.nth = 1
WHERE held.policy_id = :policy_id AND held.as_of = :as_of AND held.status <> 'pending'
  AND (told.tier IS NULL OR told.tier <> held.tier)
ORDER BY held.customer_id
