-- Standing change rows from a day on: one row per account and day.
SELECT change.customer_id, change.as_of, change.from_tier, change.to_tier, change.direction, change.cause, change.drivers
FROM tiering.tier_change AS change
{% if of_some %}
JOIN work.folded_customer AS folded ON folded.customer_id = change.customer_id
{% endif %}
WHERE change.policy_id = :policy_id AND change.as_of >= :as_of AND change.superseded_at IS NULL
