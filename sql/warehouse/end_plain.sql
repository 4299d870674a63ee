-- Ends what stands of the accounts that take what a run found.
UPDATE tiering.{{ table }}
SET valid_to = CAST(:as_of AS DATE)
WHERE policy_id = :policy_id
  AND valid_to IS NULL
  AND customer_id IN (SELECT customer_id FROM work.differing WHERE is_plain AND NOT is_new)
