-- Forgets the accounts that were told and are no longer over: should they be over again, that is news.
DELETE FROM tiering.told_exposure
WHERE NOT EXISTS (
  SELECT 1
  FROM tiering.credit_exposure AS held
  WHERE held.over_amount > 0
    AND {% include 'warehouse/same_exposure.jinja' %}

)
