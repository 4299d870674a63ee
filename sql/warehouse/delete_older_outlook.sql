-- Forgets the lines of published runs of a policy, those of one run left aside.
DELETE FROM work.outlook
WHERE run_id <> :run_id
  AND run_id IN (SELECT run_id FROM tiering.run WHERE policy_id = :policy_id AND status = 'published')
