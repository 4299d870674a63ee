-- The first and the latest published day of every policy: one row per policy.
SELECT policy_id, MIN(as_of) AS first_on, MAX(as_of) AS last_on
FROM tiering.run
WHERE status = 'published'
GROUP BY policy_id
ORDER BY policy_id
