-- Whom a run finds near a line, with the tier in force and what the customer is worth: one row per customer and direction.
-- Only the latest run of a policy is still known.
SELECT
  near.customer_id,
  customer.name AS customer_name,
  near.account_manager_id,
  held.tier AS tier_in_force,
  near.direction,
  near.tier,
  near.to_tier,
  near.indicator,
  near.value,
  near.needed,
  near.relative_change,
  near.by_on,
  near.keeps,
  near.as_of,
  component.value AS at_stake
FROM tiering.tier_outlook AS near
JOIN tiering.customer_tier AS held ON held.policy_id = near.policy_id AND held.customer_id = near.customer_id
LEFT JOIN {% include 'warehouse/latest_customer.jinja' %} AS customer ON customer.customer_id = near.customer_id
LEFT JOIN tiering.score_component AS component
  ON component.policy_id = near.policy_id AND component.as_of = :measured_on
  AND component.revision = :revision AND component.customer_id = near.customer_id
  AND component.indicator = :value
WHERE near.policy_id = :policy_id AND near.run_id = :measured_run_id
ORDER BY near.customer_id, near.direction
