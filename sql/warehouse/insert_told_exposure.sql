-- Notes that a digest has told an account that is over.
INSERT INTO tiering.told_exposure (policy_id, customer_id, entity, account_manager_id, over_since, digest_id)
VALUES (:policy_id, :customer_id, :entity, :account_manager_id, :over_since, :digest_id)
