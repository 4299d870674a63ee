-- Forgets the notices that were told and stand no longer: should they come back, they are news.
DELETE FROM tiering.told_notice
WHERE NOT EXISTS (
  SELECT 1
  FROM tiering.tier_notice AS notice
  WHERE notice.policy_id = told_notice.policy_id
    AND notice.customer_id = told_notice.customer_id
    AND notice.account_manager_id IS NOT DISTINCT FROM told_notice.account_manager_id
    AND notice.tier = told_notice.tier
    AND notice.to_tier = told_notice.to_tier
    AND notice.falls_on = told_notice.falls_on
)
