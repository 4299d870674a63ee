-- Spells and absences of a customer that overlap, leave a gap, are of no length, or end without a successor: one row each.
WITH timeline AS (
  SELECT policy_id, customer_id, valid_from, valid_to FROM tiering.customer_tier_history
  UNION ALL
  SELECT policy_id, customer_id, valid_from, valid_to FROM tiering.absence
),
following AS (
  SELECT
    policy_id,
    customer_id,
    valid_from,
    valid_to,
    LEAD(valid_from) OVER (PARTITION BY policy_id, customer_id ORDER BY valid_from, valid_to NULLS LAST) AS next_from
  FROM timeline
)
SELECT policy_id, customer_id, valid_from, valid_to, next_from
FROM following
WHERE valid_to <= valid_from OR valid_to IS DISTINCT FROM next_from
