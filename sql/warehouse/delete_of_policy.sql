-- Empties the current rows of a policy before they are written again, in the same transaction.
DELETE FROM tiering.{{ table }} WHERE policy_id = :policy_id
