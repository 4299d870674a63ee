-- What the runs of published days found: one row per day and account in scope; one of tier and reason is set.
WITH published AS (
  SELECT run_id, as_of, ROW_NUMBER() OVER (PARTITION BY as_of ORDER BY revision DESC) AS nth
  FROM tiering.run
  WHERE policy_id = :policy_id AND as_of >= :from_day AND status = 'published'
)
SELECT
  published.as_of,
  decision.customer_id,
  decision.computed_tier,
  decision.status,
  CAST(NULL AS TEXT) AS reason,
  decision.held_because,
  decision.is_at_once
FROM tiering.decision AS decision
JOIN published ON published.run_id = decision.run_id AND published.nth = 1
{% if of_some %}
JOIN work.folded_customer AS folded ON folded.customer_id = decision.customer_id
{% endif %}
UNION ALL
SELECT published.as_of, exclusion.customer_id, NULL, NULL, exclusion.reason, NULL, NULL
FROM tiering.exclusion AS exclusion
JOIN published ON published.run_id = exclusion.run_id AND published.nth = 1
{% if of_some %}
JOIN work.folded_customer AS folded ON folded.customer_id = exclusion.customer_id
{% endif %}
