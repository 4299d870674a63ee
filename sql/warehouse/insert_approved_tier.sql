-- A tier that nobody gets without approval.
INSERT INTO work.approved_tier (tier) VALUES (:tier)
