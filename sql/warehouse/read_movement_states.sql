-- Where customers stand under movement rules, in the intervals that reach a day or begin after it: one row each.
SELECT
  {% include 'warehouse/standing.jinja' %},
  state.customer_id,
  state.valid_from,
  state.valid_to
FROM tiering.movement_state AS state
{% if of_some %}
JOIN work.folded_customer AS folded ON folded.customer_id = state.customer_id
{% endif %}
WHERE state.policy_id = :policy_id AND (state.valid_to IS NULL OR state.valid_to >= :from_day)
