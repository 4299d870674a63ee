-- What the committee decided for days of a policy from a day on: one row per account and day.
SELECT as_of, customer_id, tier AS graded_tier
FROM tiering.grade
WHERE policy_id = :policy_id AND as_of >= :from_day AND stage = 'final' AND superseded_at IS NULL
