-- Removes the tasks of a policy that its latest run did not find again.
DELETE FROM tiering.task WHERE policy_id = :policy_id AND run_id <> :run_id
