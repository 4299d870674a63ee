-- First day of every policy's decisions that is kept: one row per policy that published.
-- The newest day before it that was published stays too, for a fold begins on it; and so does what no mail reported yet.
WITH published AS (
  SELECT policy_id, as_of, digest_id
  FROM tiering.run
  WHERE status = 'published'
),
bound AS (
  SELECT
    policy_id,
    LEAST(
      MAX(as_of) - CAST(:kept_days AS INTEGER),
      COALESCE(MIN(CASE WHEN digest_id IS NULL THEN as_of END), MAX(as_of))
    ) AS first_kept
  FROM published
  GROUP BY policy_id
)
SELECT
  bound.policy_id,
  COALESCE(MAX(CASE WHEN published.as_of < bound.first_kept THEN published.as_of END), bound.first_kept) AS up_to
FROM bound
JOIN published ON published.policy_id = bound.policy_id
GROUP BY bound.policy_id, bound.first_kept
ORDER BY bound.policy_id
