-- Accounts of a run for whom more has to be looked at than whether the finding is the spell that stands: one row each.
-- All others have one open spell or absence, which says what the run found, and nothing that people said or that waits.
INSERT INTO work.folded_customer (customer_id)
WITH standing AS (
  SELECT customer_id, tier, computed_tier, status, CAST(NULL AS TEXT) AS reason, valid_from, valid_to
  FROM tiering.customer_tier_history
  WHERE policy_id = :policy_id AND (valid_to IS NULL OR valid_to >= :as_of)
  UNION ALL
  SELECT customer_id, NULL, NULL, NULL, reason, valid_from, valid_to
  FROM tiering.absence
  WHERE policy_id = :policy_id AND (valid_to IS NULL OR valid_to >= :as_of)
),
sole AS (
  SELECT
    customer_id,
    MIN(tier) AS tier,
    MIN(computed_tier) AS computed_tier,
    MIN(status) AS status,
    MIN(reason) AS reason
  FROM standing
  GROUP BY customer_id
  HAVING COUNT(*) = 1 AND MAX(valid_from) < :as_of AND MAX(valid_to) IS NULL
),
{% if has_memory %}
state AS (
  SELECT
    customer_id,
    MIN(tier) AS tier,
    MIN(computed_tier) AS computed_tier,
    MIN(status) AS status,
    MIN(found_status) AS found_status,
    MIN(reason) AS reason
  FROM tiering.movement_state
  WHERE policy_id = :policy_id AND (valid_to IS NULL OR valid_to >= :as_of)
  GROUP BY customer_id
  HAVING COUNT(*) = 1
    AND MAX(valid_from) < :as_of
    AND MAX(valid_to) IS NULL
    AND MAX(periods) = 0
    AND MAX(found) = '[]'
    AND MAX(found_since) IS NULL
    AND MAX(asked_tier) IS NULL
),
{% endif %}
settled AS (
  SELECT decided.customer_id
  FROM work.decided AS decided
  JOIN sole ON sole.customer_id = decided.customer_id
  {% if has_memory %}
  JOIN state ON state.customer_id = decided.customer_id
  LEFT JOIN work.approved_tier AS approved ON approved.tier = decided.computed_tier
  {% endif %}
  WHERE decided.run_id = :run_id
    AND decided.held_because IS NULL
    AND sole.tier IS NOT DISTINCT FROM decided.computed_tier
    AND sole.computed_tier IS NOT DISTINCT FROM decided.computed_tier
    AND sole.status IS NOT DISTINCT FROM decided.status
    AND sole.reason IS NOT DISTINCT FROM decided.reason
    {% if has_memory %}
    AND state.tier IS NOT DISTINCT FROM decided.computed_tier
    AND state.computed_tier IS NOT DISTINCT FROM decided.computed_tier
    AND state.status IS NOT DISTINCT FROM decided.status
    AND state.found_status IS NOT DISTINCT FROM decided.status
    AND state.reason IS NOT DISTINCT FROM decided.reason
    AND approved.tier IS NULL
    AND NOT COALESCE(decided.is_at_once, FALSE)
    {% endif %}
  UNION ALL
  SELECT sole.customer_id
  FROM sole
  {% if has_memory %}
  JOIN state ON state.customer_id = sole.customer_id AND state.tier IS NULL AND state.reason = sole.reason
  {% endif %}
  LEFT JOIN work.decided AS decided ON decided.run_id = :run_id AND decided.customer_id = sole.customer_id
  LEFT JOIN tiering.erasure AS erasure ON erasure.customer_id = sole.customer_id
  WHERE decided.customer_id IS NULL
    AND sole.reason = CASE WHEN erasure.erased_on <= :as_of THEN 'erased' ELSE 'left' END
),
concern AS (
  {% if not has_memory %}
  SELECT customer_id
  FROM tiering.movement_state
  WHERE policy_id = :policy_id AND (valid_to IS NULL OR valid_to >= :as_of)
  UNION ALL
  {% endif %}
  SELECT customer_id
  FROM tiering.override
  WHERE policy_id = :policy_id AND (valid_to IS NULL OR valid_to >= :as_of)
  UNION ALL
  SELECT customer_id
  FROM tiering.approval_customer
  WHERE policy_id = :policy_id AND as_of >= :as_of
  UNION ALL
  SELECT customer_id
  FROM tiering.grade
  WHERE policy_id = :policy_id AND as_of >= :as_of
)
SELECT known.customer_id
FROM (
  SELECT customer_id FROM standing
  UNION
  SELECT customer_id FROM work.decided WHERE run_id = :run_id
  UNION
  SELECT customer_id FROM concern
) AS known
LEFT JOIN settled ON settled.customer_id = known.customer_id
LEFT JOIN (SELECT DISTINCT customer_id FROM concern) AS concerned ON concerned.customer_id = known.customer_id
WHERE settled.customer_id IS NULL OR concerned.customer_id IS NOT NULL
