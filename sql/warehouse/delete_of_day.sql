-- Empties the rows of a policy and day before they are written again, in the same transaction.
DELETE FROM tiering.{{ table }} WHERE policy_id = :policy_id AND as_of = :as_of
