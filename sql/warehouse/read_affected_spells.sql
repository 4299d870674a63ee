-- Spells and absences that reach a day or begin after it: one row each.
SELECT
  spell.customer_id,
  spell.tier,
  spell.computed_tier,
  spell.status,
  CAST(NULL AS TEXT) AS reason,
  spell.valid_from,
  spell.valid_to,
  spell.run_id
FROM tiering.customer_tier_history AS spell
{% if of_some %}
JOIN work.folded_customer AS folded ON folded.customer_id = spell.customer_id
{% endif %}
WHERE spell.policy_id = :policy_id AND (spell.valid_to IS NULL OR spell.valid_to >= :from_day)
UNION ALL
SELECT absence.customer_id, NULL, NULL, NULL, absence.reason, absence.valid_from, absence.valid_to, NULL
FROM tiering.absence AS absence
{% if of_some %}
JOIN work.folded_customer AS folded ON folded.customer_id = absence.customer_id
{% endif %}
WHERE absence.policy_id = :policy_id AND (absence.valid_to IS NULL OR absence.valid_to >= :from_day)
