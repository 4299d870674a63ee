-- The last day before one on which a policy decided limits: one row, empty where there is none.
SELECT MAX(as_of) AS day_before
FROM tiering.credit_limit
WHERE policy_id = :policy_id AND as_of < :as_of
