-- A policy text as it ran: one row.
SELECT policy_text FROM tiering.policy_version WHERE policy_id = :policy_id AND policy_version = :policy_version
