-- First day of a policy whose decisions and components are whole: one row, empty where nothing was removed.
SELECT MAX(up_to) AS kept_from
FROM tiering.pruning
WHERE policy_id = :policy_id AND what IN ('decisions', 'components') AND pruned_rows > 0
