-- What a run found that is not published yet: one row per account in scope.
SELECT
  decided.customer_id,
  decided.computed_tier,
  decided.reason,
  decided.status,
  decided.held_because,
  decided.is_at_once
FROM work.decided AS decided
{% if of_some %}
JOIN work.folded_customer AS folded ON folded.customer_id = decided.customer_id
{% endif %}
WHERE decided.run_id = :run_id
