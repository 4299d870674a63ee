-- Where an account stands under movement rules on a day, before overrides: one row, or none where no rule remembers.
SELECT
  {% include 'warehouse/standing.jinja' %}

FROM tiering.movement_state AS state
WHERE state.policy_id = :policy_id AND state.customer_id = :customer_id
  AND state.valid_from <= :day AND (state.valid_to IS NULL OR state.valid_to > :day)
