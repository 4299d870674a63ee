-- Whose customers a correction of a day moves, or no longer moves: one row per account manager.
-- That is who has a move that no digest has told, or had one that was told and is withdrawn.
SELECT DISTINCT change.account_manager_id
FROM tiering.tier_change AS change
JOIN tiering.run AS written ON written.run_id = change.run_id
WHERE change.policy_id = :policy_id
  AND change.as_of = :as_of
  AND (change.superseded_at IS NULL) = (written.digest_id IS NULL OR written.digest_id = 'none')
