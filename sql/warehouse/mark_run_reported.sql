-- Notes that a digest has reported a day: all runs of it that were to be reported, as news or as a correction.
UPDATE tiering.run
SET digest_id = :digest_id
WHERE policy_id = :policy_id
  AND as_of = :as_of
  AND status = 'published'
  AND digest_id IS NULL
  AND COALESCE(is_correction, FALSE) = :is_correction
