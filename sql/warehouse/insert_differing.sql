-- Accounts of a run whose finding is not simply the spell that stands: one row each, with what ends and what begins.
-- Who is not among them has one open spell or absence, which says what the run found, and nothing that people said or
-- that waits. The plain ones take what the run found from its day on, just as it stands here: they are new, or their one
-- open spell or absence ends, and neither movement nor anybody's word has a say.
INSERT INTO work.differing (
  customer_id, is_plain, is_new, tier_before, found_before, reason_before, tier, status, reason, since_on, period_from
)
WITH standing AS (
  SELECT customer_id, tier, computed_tier, status, CAST(NULL AS TEXT) AS reason, valid_from, valid_to
  FROM tiering.customer_tier_history
  WHERE policy_id = :policy_id AND (valid_to IS NULL OR valid_to >= :as_of)
  UNION ALL
  SELECT customer_id, NULL, NULL, NULL, reason, valid_from, valid_to
  FROM tiering.absence
  WHERE policy_id = :policy_id AND (valid_to IS NULL OR valid_to >= :as_of)
),
spell AS (
  SELECT
    customer_id,
    MIN(tier) AS tier,
    MIN(computed_tier) AS computed_tier,
    MIN(status) AS status,
    MIN(reason) AS reason,
    COUNT(*) = 1 AND MAX(valid_from) < :as_of AND MAX(valid_to) IS NULL AS is_sole
  FROM standing
  GROUP BY customer_id
),
{% if has_memory %}
state AS (
  SELECT
    customer_id,
    MIN(tier) AS tier,
    MIN(computed_tier) AS computed_tier,
    MIN(status) AS status,
    MIN(found_status) AS found_status,
    MIN(reason) AS reason,
    MIN(since_on) AS since_on,
    MIN(period_from) AS period_from,
    COUNT(*) = 1
      AND MAX(valid_from) < :as_of
      AND MAX(valid_to) IS NULL
      AND MAX(periods) = 0
      AND MAX(found) = '[]'
      AND MAX(found_since) IS NULL
      AND MAX(asked_tier) IS NULL AS is_quiet
  FROM tiering.movement_state
  WHERE policy_id = :policy_id AND (valid_to IS NULL OR valid_to >= :as_of)
  GROUP BY customer_id
),
{% endif %}
concern AS (
  {% if not has_memory %}
  SELECT customer_id
  FROM tiering.movement_state
  WHERE policy_id = :policy_id AND (valid_to IS NULL OR valid_to >= :as_of)
  UNION
  {% endif %}
  SELECT customer_id
  FROM tiering.override
  WHERE policy_id = :policy_id AND (valid_to IS NULL OR valid_to >= :as_of)
  UNION
  SELECT customer_id
  FROM tiering.approval_customer
  WHERE policy_id = :policy_id AND as_of >= :as_of
  UNION
  SELECT customer_id
  FROM tiering.grade
  WHERE policy_id = :policy_id AND as_of >= :as_of
),
known AS (
  SELECT customer_id FROM spell
  UNION
  SELECT customer_id FROM work.decided WHERE run_id = :run_id
  UNION
  SELECT customer_id FROM concern
),
met AS (
  SELECT
    known.customer_id,
    spell.customer_id IS NULL AS is_new,
    spell.tier AS tier_before,
    spell.computed_tier AS found_before,
    spell.reason AS reason_before,
    decided.computed_tier AS tier,
    decided.status,
    CASE
      WHEN decided.customer_id IS NOT NULL THEN decided.reason
      WHEN erasure.erased_on <= :as_of THEN 'erased'
      ELSE 'left'
    END AS reason,
    {% if has_memory %}
    CASE WHEN state.tier = decided.computed_tier THEN state.since_on ELSE CAST(:as_of AS DATE) END AS since_on,
    CASE WHEN state.tier = decided.computed_tier THEN state.period_from ELSE CAST(:as_of AS DATE) END AS period_from,
    {% else %}
    CAST(NULL AS DATE) AS since_on,
    CAST(NULL AS DATE) AS period_from,
    {% endif %}
    spell.is_sole
      AND spell.tier IS NOT DISTINCT FROM decided.computed_tier
      AND spell.computed_tier IS NOT DISTINCT FROM decided.computed_tier
      AND spell.status IS NOT DISTINCT FROM decided.status
      AND spell.reason IS NOT DISTINCT FROM
        CASE
          WHEN decided.customer_id IS NOT NULL THEN decided.reason
          WHEN erasure.erased_on <= :as_of THEN 'erased'
          ELSE 'left'
        END AS is_same,
    concern.customer_id IS NULL
      AND decided.held_because IS NULL
      {% if has_memory %}
      AND approved.tier IS NULL
      AND (
        (spell.customer_id IS NULL AND state.customer_id IS NULL)
        OR (
          state.is_quiet
          AND state.tier IS NOT DISTINCT FROM spell.tier
          AND state.computed_tier IS NOT DISTINCT FROM spell.computed_tier
          AND state.status IS NOT DISTINCT FROM spell.status
          AND state.reason IS NOT DISTINCT FROM spell.reason
        )
      )
      {% endif %}
      AND (spell.customer_id IS NULL OR spell.is_sole) AS is_quiet,
    {% if has_memory %}
    state.found_status IS NOT DISTINCT FROM decided.status AND NOT COALESCE(decided.is_at_once, FALSE)
    {% if has_period %}AND spell.tier IS NULL{% endif %}
    {% else %}
    TRUE
    {% endif %} AS stays,
    {% if has_memory and not is_immediate %}
    spell.tier IS NULL OR decided.computed_tier IS NULL
    {% else %}
    TRUE
    {% endif %} AS moves_freely
  FROM known
  LEFT JOIN spell ON spell.customer_id = known.customer_id
  LEFT JOIN work.decided AS decided ON decided.run_id = :run_id AND decided.customer_id = known.customer_id
  LEFT JOIN tiering.erasure AS erasure ON erasure.customer_id = known.customer_id
  LEFT JOIN concern ON concern.customer_id = known.customer_id
  {% if has_memory %}
  LEFT JOIN state ON state.customer_id = known.customer_id
  LEFT JOIN work.approved_tier AS approved ON approved.tier = decided.computed_tier
  {% endif %}
)
SELECT
  customer_id,
  is_quiet AND moves_freely AND NOT COALESCE(is_same, FALSE),
  is_new,
  tier_before,
  found_before,
  reason_before,
  tier,
  status,
  reason,
  since_on,
  period_from
FROM met
WHERE NOT (is_quiet AND stays AND COALESCE(is_same, FALSE))
