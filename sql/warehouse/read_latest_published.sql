-- The latest published day of a policy: one row; empty when there is none.
SELECT MAX(as_of) AS as_of
FROM tiering.run
WHERE policy_id = :policy_id AND status = 'published'
