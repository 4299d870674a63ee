-- The day that was last looked at for a policy: one row, empty where there is none.
SELECT MAX(as_of) AS as_of
FROM tiering.credit_exposure
WHERE policy_id = :policy_id
