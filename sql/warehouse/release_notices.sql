-- Lets the next digest tell the notices of a policy that were kept back.
DELETE FROM tiering.told_notice WHERE policy_id = :policy_id AND digest_id = 'none'
