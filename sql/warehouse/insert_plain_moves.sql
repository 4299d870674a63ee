-- Accounts that plainly take what a run found, and whose tier moves: one row each, numbered in the order of their ids.
-- The population explains a move into it or out of it, between the run before and this one.
INSERT INTO work.plain_move (
  number, customer_id, from_state, to_state, from_tier, to_tier, from_found, is_in, was_in, account_manager_id
)
SELECT
  ROW_NUMBER() OVER (ORDER BY differing.customer_id),
  differing.customer_id,
  COALESCE(differing.tier_before, differing.reason_before),
  COALESCE(differing.tier, differing.reason),
  differing.tier_before,
  differing.tier,
  differing.found_before,
  decided.customer_id IS NOT NULL,
  EXISTS (
    SELECT 1
    FROM tiering.score_component AS component
    WHERE component.policy_id = :policy_id
      AND component.as_of = CAST(:earlier_on AS DATE)
      AND component.revision = CAST(:earlier_revision AS INTEGER)
      AND component.customer_id = differing.customer_id
  ),
  CASE
    WHEN decided.customer_id IS NOT NULL THEN decided.account_manager_id
    ELSE COALESCE(decision.account_manager_id, exclusion.account_manager_id)
  END
FROM work.differing AS differing
LEFT JOIN work.decided AS decided ON decided.run_id = :run_id AND decided.customer_id = differing.customer_id
LEFT JOIN tiering.decision AS decision
  ON decision.policy_id = :policy_id
  AND decision.as_of = CAST(:earlier_on AS DATE)
  AND decision.revision = CAST(:earlier_revision AS INTEGER)
  AND decision.customer_id = differing.customer_id
LEFT JOIN tiering.exclusion AS exclusion
  ON exclusion.policy_id = :policy_id
  AND exclusion.as_of = CAST(:earlier_on AS DATE)
  AND exclusion.revision = CAST(:earlier_revision AS INTEGER)
  AND exclusion.customer_id = differing.customer_id
WHERE differing.is_plain AND differing.tier_before IS DISTINCT FROM differing.tier
