-- Tiers that will go down, by default those that no mail has told so: one row per policy and customer, with what keeps the tier.
SELECT
  notice.policy_id,
  notice.customer_id,
  customer.name AS customer_name,
  notice.account_manager_id,
  notice.to_tier,
  notice.falls_on,
  notice.as_of,
  run.policy_version,
  {% include 'warehouse/standing.jinja' %},
  version.policy_text
FROM tiering.tier_notice AS notice
JOIN tiering.run AS run ON run.run_id = notice.run_id AND run.status = 'published'
JOIN tiering.policy_version AS version
  ON version.policy_id = run.policy_id AND version.policy_version = run.policy_version
JOIN tiering.movement_state AS state
  ON state.policy_id = notice.policy_id AND state.customer_id = notice.customer_id AND state.valid_to IS NULL
LEFT JOIN {% include 'warehouse/latest_customer.jinja' %} AS customer ON customer.customer_id = notice.customer_id
WHERE :with_told OR NOT EXISTS (
  SELECT 1
  FROM tiering.told_notice
  WHERE {% include 'warehouse/same_notice.jinja' %}

)
ORDER BY notice.policy_id, notice.falls_on, notice.customer_id
