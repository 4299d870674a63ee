-- Removes the service levels of a policy in a month before they are counted again, but not those that were counted later.
DELETE FROM tiering.service_level
WHERE policy_id = :policy_id AND period_start = :period_start AND as_of <= :as_of
