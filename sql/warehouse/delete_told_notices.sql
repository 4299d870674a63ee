-- Forgets the notices that were told and stand no longer: should they come back, they are news.
DELETE FROM tiering.told_notice
WHERE NOT EXISTS (
  SELECT 1
  FROM tiering.tier_notice AS notice
  WHERE {% include 'warehouse/same_notice.jinja' %}

)
