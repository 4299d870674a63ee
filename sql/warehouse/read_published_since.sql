-- Days on or after a day that are published: one row per policy, with how many there are.
SELECT policy_id, COUNT(DISTINCT as_of) AS days
FROM tiering.run
WHERE status = 'published' AND as_of >= :from_day
GROUP BY policy_id
ORDER BY policy_id
