-- Makes room for what the tiers of a day achieved, when it is computed again.
DELETE FROM tiering.tier_effect WHERE policy_id = :policy_id AND as_of = :as_of
