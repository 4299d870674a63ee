-- Keeps back the notices of a policy that a publication found of which nobody is told, unless the latest day is still to be told.
INSERT INTO tiering.told_notice (
  policy_id, customer_id, account_manager_id, tier, to_tier, falls_on, digest_id
)
SELECT
  notice.policy_id,
  notice.customer_id,
  notice.account_manager_id,
  notice.tier,
  notice.to_tier,
  notice.falls_on,
  'none'
FROM tiering.tier_notice AS notice
JOIN tiering.run AS run ON run.run_id = notice.run_id
WHERE notice.policy_id = :policy_id
  AND run.digest_id IS NOT NULL
  AND NOT EXISTS (
    SELECT 1
    FROM tiering.told_notice
    WHERE {% include 'warehouse/same_notice.jinja' %}

  )
