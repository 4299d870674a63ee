-- Accounts of a run whose finding is the spell that stands, by tier; NULL: graded under no tier. One row per tier.
SELECT decided.computed_tier AS tier, COUNT(*) AS customers
FROM work.decided AS decided
LEFT JOIN work.folded_customer AS folded ON folded.customer_id = decided.customer_id
WHERE decided.run_id = :run_id AND folded.customer_id IS NULL
GROUP BY decided.computed_tier
