-- The current class of every account, for a policy that classifies and does not tier: what the latest run decided.
INSERT INTO tiering.customer_class (policy_id, customer_id, class, as_of, policy_version, run_id)
SELECT policy_id, customer_id, computed_tier, as_of, CAST(:policy_version AS TEXT), run_id
FROM tiering.decision
WHERE policy_id = :policy_id AND as_of = :as_of AND revision = :revision
