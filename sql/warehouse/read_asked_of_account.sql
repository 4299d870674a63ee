-- Who was asked about an account by a run, in their order, each by its newest request: one row per role.
SELECT
  asked.asked_tier,
  asked.is_approved,
  asked.effective_on,
  approval.asked_of,
  approval.answered_by,
  approval.answer,
  approval.comment
FROM tiering.approval_customer AS asked
JOIN tiering.run AS run ON run.run_id = asked.run_id
JOIN tiering.approval AS approval ON approval.run_id = asked.run_id AND approval.asked_of <> 'policy_owner'
WHERE run.policy_id = :policy_id AND run.as_of = :as_of AND run.revision = :revision
  AND asked.customer_id = :customer_id
  AND NOT EXISTS (
    SELECT 1
    FROM tiering.approval AS newer
    WHERE newer.run_id = approval.run_id AND newer.asked_of = approval.asked_of
      AND newer.asked_at > approval.asked_at
  )
ORDER BY approval.step, approval.asked_of
