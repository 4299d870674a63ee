-- The approved override that counts for an account on a published day: one row, or none.
SELECT reason, approved_by, valid_to
FROM tiering.override
WHERE policy_id = :policy_id AND customer_id = :customer_id AND approved_by IS NOT NULL
  AND superseded_at IS NULL
  AND valid_from <= :as_of AND (valid_to IS NULL OR valid_to > :as_of)
ORDER BY valid_from DESC, tier COLLATE "C" DESC
LIMIT 1
