-- Counts, or removes, what was found of a policy on the days before one.
{{ "SELECT COUNT(*) AS pruned_rows" if counts else "DELETE" }} FROM tiering.{{ table }}
WHERE policy_id = :policy_id AND as_of < :up_to
