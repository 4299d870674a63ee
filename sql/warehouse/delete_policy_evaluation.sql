-- Makes room for the figures of a policy and a year, when they are computed again.
DELETE FROM tiering.policy_evaluation WHERE policy_id = :policy_id AND year = :year
