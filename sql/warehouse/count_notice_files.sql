-- How many files of notices there are for a published day: one row.
SELECT COUNT(DISTINCT file) AS files
FROM tiering.customer_notice
WHERE policy_id = :policy_id AND as_of = :as_of
