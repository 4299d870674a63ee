-- Who owes beyond a limit, with what is owed under the one that binds: one row per account, and one per selling company whose own limit it is.
-- `is_known`: a mail has told it; `is_told`: to the account manager of now.
SELECT
  held.policy_id,
  held.customer_id,
  customer.name AS customer_name,
  held.entity,
  held.account_manager_id,
  held.as_of,
  held.limited_by,
  CASE WHEN held.limited_by = 'group' THEN held.group_exposure ELSE held.exposure END AS owed_amount,
  held.over_amount,
  held.overdue_amount,
  held.over_since,
  EXISTS (
    SELECT 1
    FROM tiering.told_exposure
    WHERE {% include 'warehouse/same_exposure.jinja' %}

  ) AS is_known,
  EXISTS (
    SELECT 1
    FROM tiering.told_exposure
    WHERE told_exposure.account_manager_id IS NOT DISTINCT FROM held.account_manager_id
      AND {% include 'warehouse/same_exposure.jinja' %}

  ) AS is_told
FROM tiering.credit_exposure AS held
LEFT JOIN {% include 'warehouse/latest_customer.jinja' %} AS customer ON customer.customer_id = held.customer_id
WHERE held.over_amount > 0 AND (held.entity = '' OR held.limited_by = 'entity')
ORDER BY held.policy_id, held.customer_id, held.entity
