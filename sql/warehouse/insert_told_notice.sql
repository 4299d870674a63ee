-- Notes that a digest has told a notice.
INSERT INTO tiering.told_notice (
  policy_id, customer_id, account_manager_id, tier, to_tier, falls_on, digest_id
)
VALUES (:policy_id, :customer_id, :account_manager_id, :tier, :to_tier, :falls_on, :digest_id)
