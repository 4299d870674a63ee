-- What a run found, published or not yet: one row per graded account.
SELECT customer_id, computed_tier
FROM tiering.decision
WHERE run_id = :run_id
UNION ALL
SELECT customer_id, computed_tier
FROM work.decided
WHERE run_id = :run_id AND computed_tier IS NOT NULL
