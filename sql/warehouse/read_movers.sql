-- The standing moves of a published day with what is at stake: one row per customer that moved.
-- `measured_on` and `revision` name the run that measured: on a day of people's decisions, the run before.
-- `is_whole`: with the moves that were told already; without, those that belong to news which no digest has reported.
SELECT
  change.customer_id,
  customer.name AS customer_name,
  change.account_manager_id,
  customer.region,
  change.from_tier,
  change.to_tier,
  change.direction,
  change.cause,
  change.drivers,
  component.value,
  spell.status,
  spell.computed_tier
FROM tiering.tier_change AS change
JOIN tiering.run AS written ON written.run_id = change.run_id
LEFT JOIN {% include 'warehouse/latest_customer.jinja' %} AS customer ON customer.customer_id = change.customer_id
LEFT JOIN tiering.customer_tier_history AS spell
  ON spell.policy_id = change.policy_id AND spell.customer_id = change.customer_id
  AND spell.valid_from <= change.as_of AND (spell.valid_to IS NULL OR spell.valid_to > change.as_of)
LEFT JOIN tiering.score_component AS component
  ON component.policy_id = change.policy_id AND component.as_of = :measured_on
  AND component.revision = :revision AND component.customer_id = change.customer_id
  AND component.indicator = :value
WHERE change.policy_id = :policy_id
  AND change.as_of = :as_of
  AND change.superseded_at IS NULL
  AND (:is_whole OR (written.digest_id IS NULL AND NOT COALESCE(written.is_correction, FALSE)))
ORDER BY change.customer_id
