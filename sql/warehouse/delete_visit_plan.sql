-- Removes the visit plan of a policy in a month before it is counted again, but not one that was counted later.
DELETE FROM tiering.visit_plan
WHERE policy_id = :policy_id AND period_start = :period_start AND as_of <= :counted_on
