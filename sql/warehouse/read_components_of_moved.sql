-- The indicators of the accounts that moved, on one day: one row per account and indicator.
SELECT component.customer_id, component.indicator, component.value, component.value_text
FROM tiering.score_component AS component
JOIN work.moved AS moved ON moved.customer_id = component.customer_id
WHERE component.policy_id = :policy_id AND component.as_of = :as_of AND component.revision = :revision
