-- Closes the days of a policy, or of all policies, up to one of them.
INSERT INTO tiering.closed_period (policy_id, closed_through, closed_by, reason, closed_at)
VALUES (:policy_id, :closed_through, :closed_by, :reason, :closed_at)
