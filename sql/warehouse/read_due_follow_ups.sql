-- Who is to be contacted up to a few days after the day of the list, and which tasks are due by then: one row each.
SELECT
  due.policy_id,
  due.customer_id,
  customer.name AS customer_name,
  due.reason,
  due.title_en,
  due.title_zh,
  due.tier,
  due.last_contact_on,
  due.due_on,
  due.overdue_days,
  due.account_manager_id,
  due.as_of
FROM tiering.follow_up AS due
LEFT JOIN {% include 'warehouse/latest_customer.jinja' %} AS customer ON customer.customer_id = due.customer_id
WHERE due.due_on <= due.as_of + CAST(:days_ahead AS INTEGER)
ORDER BY due.due_on, due.policy_id, due.customer_id, due.reason
