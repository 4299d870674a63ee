-- Account managers of the accounts that moved, on a day: one row per account that was in scope then.
SELECT decision.customer_id, decision.account_manager_id
FROM tiering.decision AS decision
JOIN work.moved AS moved ON moved.customer_id = decision.customer_id
WHERE decision.policy_id = :policy_id AND decision.as_of = :as_of AND decision.revision = :revision
UNION ALL
SELECT exclusion.customer_id, exclusion.account_manager_id
FROM tiering.exclusion AS exclusion
JOIN work.moved AS moved ON moved.customer_id = exclusion.customer_id
WHERE exclusion.policy_id = :policy_id AND exclusion.as_of = :as_of AND exclusion.revision = :revision
