-- Removes the tasks that a run found for accounts which have not held their tier long enough.
DELETE FROM work.task
WHERE run_id = :run_id
  AND task = :task
  AND NOT EXISTS (
    SELECT 1
    FROM tiering.customer_tier AS standing
    JOIN work.decided AS decided
      ON decided.run_id = :run_id AND decided.customer_id = standing.customer_id
      AND decided.computed_tier = standing.tier
    WHERE standing.policy_id = :policy_id
      AND standing.customer_id = task.customer_id
      AND standing.since_on <= :held_from
  )
