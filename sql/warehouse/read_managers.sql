-- Account managers on a day: one row per account that was in scope then.
SELECT customer_id, account_manager_id
FROM tiering.decision
WHERE policy_id = :policy_id AND as_of = :as_of AND revision = :revision
UNION ALL
SELECT customer_id, account_manager_id
FROM tiering.exclusion
WHERE policy_id = :policy_id AND as_of = :as_of AND revision = :revision
