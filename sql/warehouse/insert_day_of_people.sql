-- The ledger row of a day without a run, on which people's decisions took effect.
INSERT INTO tiering.run (run_id, policy_id, as_of, revision, status, policy_version, published_at, digest_id)
VALUES (:run_id, :policy_id, :as_of, 0, 'published', :policy_version, :published_at, :digest_id)
