-- What a run found for one account: one row, or none where the account was not in scope; one of tier and reason is set.
SELECT computed_tier AS tier, status, score, CAST(NULL AS TEXT) AS reason, held_because
FROM tiering.decision
WHERE policy_id = :policy_id AND as_of = :as_of AND revision = :revision AND customer_id = :customer_id
UNION ALL
SELECT NULL, NULL, NULL, reason, NULL
FROM tiering.exclusion
WHERE policy_id = :policy_id AND as_of = :as_of AND revision = :revision AND customer_id = :customer_id
