-- What was said of customers whose tier needs a word, for the runs in force from a day on: one row per account and day.
SELECT asked.as_of, asked.customer_id, asked.is_approved, asked.effective_on
FROM tiering.approval_customer AS asked
JOIN tiering.run AS run ON run.run_id = asked.run_id AND run.status = 'published'
WHERE asked.policy_id = :policy_id
  AND asked.as_of >= :from_day
  AND asked.is_approved IS NOT NULL
  AND NOT EXISTS (
    SELECT 1
    FROM tiering.run AS newer
    WHERE newer.policy_id = run.policy_id
      AND newer.as_of = run.as_of
      AND newer.status = 'published'
      AND newer.revision > run.revision
  )
