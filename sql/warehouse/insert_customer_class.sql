-- The current class of every account, for a policy that classifies beside its tiers: what the latest run saw.
INSERT INTO tiering.customer_class (policy_id, customer_id, class, as_of, policy_version, run_id)
SELECT
  decision.policy_id,
  decision.customer_id,
  component.value_text,
  decision.as_of,
  CAST(:policy_version AS TEXT),
  decision.run_id
FROM tiering.decision AS decision
JOIN tiering.score_component AS component
  ON component.policy_id = decision.policy_id AND component.as_of = decision.as_of
  AND component.revision = decision.revision AND component.customer_id = decision.customer_id
  AND component.indicator = :class_indicator
WHERE decision.policy_id = :policy_id AND decision.as_of = :as_of AND decision.revision = :revision
  AND component.value_text IS NOT NULL
