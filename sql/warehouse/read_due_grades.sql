-- Provisional grades that are to be made final within some days after the day of the list, or by now: one row each.
SELECT
  grade.policy_id,
  grade.customer_id,
  customer.name AS customer_name,
  grade.tier,
  grade.reason,
  grade.began_on,
  grade.final_by,
  grade.overdue_days,
  grade.account_manager_id,
  grade.as_of
FROM tiering.provisional_grade AS grade
LEFT JOIN {% include 'warehouse/latest_customer.jinja' %} AS customer ON customer.customer_id = grade.customer_id
WHERE grade.final_by <= grade.as_of + CAST(:days_ahead AS INTEGER)
ORDER BY grade.final_by, grade.policy_id, grade.customer_id
