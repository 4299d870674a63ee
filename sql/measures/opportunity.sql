-- Opportunities as the source last told them; it keeps no day of theirs but the expected one: one row per opportunity.
SELECT
  opportunity_id,
  customer_id,
  has_explicit_need,
  stage,
  expected_close_on,
  amount,
  COALESCE(is_refused, FALSE) AS is_refused
FROM facts.opportunities
WHERE batch_no <= :facts_batch_no AND (superseded_in IS NULL OR superseded_in > :facts_batch_no)
