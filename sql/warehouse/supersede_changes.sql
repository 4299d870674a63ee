-- Ends change rows that a later publication withdrew.
UPDATE tiering.tier_change
SET superseded_at = :recorded_at
WHERE policy_id = :policy_id
  AND superseded_at IS NULL
  AND EXISTS (
    SELECT 1
    FROM work.withdrawn_change AS withdrawn
    WHERE withdrawn.customer_id = tier_change.customer_id AND withdrawn.as_of = tier_change.as_of
  )
