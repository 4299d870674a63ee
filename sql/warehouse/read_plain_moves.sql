-- Some of the accounts that plainly take what a run found, and whose tier moved for what was measured: one row each.
SELECT customer_id, from_state, to_state, from_tier, to_tier, from_found, to_tier AS to_found, account_manager_id
FROM work.plain_move
WHERE number > :after AND number <= :through
  AND ((from_tier IS NOT NULL AND to_tier IS NOT NULL) OR (is_in AND was_in))
ORDER BY number
