-- The customers with a tier on a published day and their account managers: one row per customer.
SELECT decision.customer_id, decision.account_manager_id
FROM tiering.decision AS decision
WHERE decision.run_id = :run_id
