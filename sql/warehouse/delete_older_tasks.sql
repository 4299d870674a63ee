-- Removes the tasks of a policy as they stood before its latest run.
DELETE FROM tiering.task WHERE policy_id = :policy_id AND run_id <> :run_id
