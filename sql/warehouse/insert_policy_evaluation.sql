-- How a policy did in the year after a day, the last of the year before, to another, its own last: one row per figure and tier.
-- Moves are the standing rows of tier_change; a flip-flop is one to a tier that the customer had left earlier in the year.
-- Refused rows count where they were loaded last; of an entity that is read whole, the last load of the year counts alone.
{% import 'measures/exact.jinja' as exact %}
INSERT INTO tiering.policy_evaluation (policy_id, year, figure, tier, value)
WITH spell AS (
  SELECT customer_id, tier, status, valid_from, valid_to
  FROM tiering.customer_tier_history
  WHERE policy_id = :policy_id
    AND valid_from <= :last_day
    AND (valid_to IS NULL OR valid_to > :day_before)
),
tier AS (
  SELECT tier
  FROM tiering.tier_definition
  WHERE policy_id = :policy_id AND policy_version = :policy_version
  UNION
  SELECT tier
  FROM spell
),
standing AS (
  SELECT
    tier.tier,
    COUNT(CASE WHEN spell.valid_from <= :day_before THEN 1 END) AS at_start,
    COUNT(
      CASE WHEN spell.valid_from IS NOT NULL AND (spell.valid_to IS NULL OR spell.valid_to > :last_day) THEN 1 END
    ) AS at_end
  FROM tier
  LEFT JOIN spell ON spell.tier = tier.tier
  GROUP BY tier.tier
),
tiered AS (
  SELECT
    COUNT(DISTINCT customer_id) AS customers,
    COUNT(DISTINCT CASE WHEN status = 'overridden' THEN customer_id END) AS overridden
  FROM spell
  WHERE valid_to IS NULL OR valid_to > CAST(:day_before AS DATE) + 1
),
move AS (
  SELECT customer_id, as_of, from_tier, to_tier, direction
  FROM tiering.tier_change
  WHERE policy_id = :policy_id AND superseded_at IS NULL AND as_of > :day_before AND as_of <= :last_day
),
moved AS (
  SELECT
    COUNT(CASE WHEN direction = 'up' THEN 1 END) AS up,
    COUNT(CASE WHEN direction = 'down' THEN 1 END) AS down,
    COUNT(CASE WHEN direction = 'new' THEN 1 END) AS appeared,
    COUNT(CASE WHEN direction = 'left' THEN 1 END) AS gone
  FROM move
),
flipped AS (
  SELECT COUNT(*) AS flips
  FROM move AS back
  WHERE back.direction IN ('up', 'down')
    AND EXISTS (
      SELECT 1
      FROM move AS away
      WHERE away.customer_id = back.customer_id
        AND away.direction IN ('up', 'down')
        AND away.as_of < back.as_of
        AND away.from_tier = back.to_tier
    )
),
published AS (
  SELECT as_of, MAX(revision) AS revision
  FROM tiering.run
  WHERE policy_id = :policy_id AND status = 'published' AND as_of > :day_before AND as_of <= :last_day
  GROUP BY as_of
),
decided AS (
  SELECT
    COUNT(*) AS decisions,
    COUNT(CASE WHEN decision.status = 'provisional' THEN 1 END) AS provisional,
    COALESCE(SUM(decision.completeness), 0) AS completeness
  FROM tiering.decision AS decision
  JOIN published ON published.as_of = decision.as_of AND published.revision = decision.revision
  WHERE decision.policy_id = :policy_id
),
asked AS (
  SELECT COUNT(*) AS requests, COUNT(CASE WHEN answer = 'rejected' THEN 1 END) AS refusals
  FROM tiering.approval
  WHERE policy_id = :policy_id AND as_of > :day_before AND as_of <= :last_day
),
batch AS (
  SELECT entity, batch_id, batch_no, batch_end, SUM(quarantined_rows) AS quarantined_rows
  FROM tiering.batch
  WHERE batch_end - 1 > :day_before AND batch_end - 1 <= :last_day
  GROUP BY entity, batch_id, batch_no, batch_end
),
latest AS (
  SELECT
    quarantined_rows,
    ROW_NUMBER() OVER (
      PARTITION BY entity, CASE WHEN STRPOS(:read_whole, ',' || entity || ',') = 0 THEN batch_id END
      ORDER BY batch_end DESC, batch_no DESC
    ) AS nth
  FROM batch
),
refused AS (
  SELECT COALESCE(SUM(quarantined_rows), 0) AS quarantined_rows
  FROM latest
  WHERE nth = 1
),
figure AS (
  SELECT 'customers_at_start' AS figure, tier, at_start AS value
  FROM standing
  UNION ALL
  SELECT 'customers_at_end', tier, at_end
  FROM standing
  UNION ALL
  SELECT 'customers_at_start', '-', SUM(at_start)
  FROM standing
  UNION ALL
  SELECT 'customers_at_end', '-', SUM(at_end)
  FROM standing
  UNION ALL
  SELECT 'customers_in_year', '-', customers
  FROM tiered
  UNION ALL
  SELECT 'overridden_customers', '-', overridden
  FROM tiered
  UNION ALL
  SELECT 'moved_up', '-', up
  FROM moved
  UNION ALL
  SELECT 'moved_down', '-', down
  FROM moved
  UNION ALL
  SELECT 'new', '-', appeared
  FROM moved
  UNION ALL
  SELECT 'left', '-', gone
  FROM moved
  UNION ALL
  SELECT 'flip_flops', '-', flips
  FROM flipped
  UNION ALL
  SELECT 'published_days', '-', COUNT(*)
  FROM published
  UNION ALL
  SELECT 'approvals_asked', '-', requests
  FROM asked
  UNION ALL
  SELECT 'approvals_refused', '-', refusals
  FROM asked
  UNION ALL
  SELECT 'quarantined_rows', '-', quarantined_rows
  FROM refused
)
SELECT CAST(:policy_id AS TEXT), CAST(:year AS BIGINT), figure, tier, CAST(value AS DECIMAL(38, 18))
FROM figure
UNION ALL
SELECT
  CAST(:policy_id AS TEXT),
  CAST(:year AS BIGINT),
  'flip_flops_per_100',
  '-',
  {{ exact.long_ratio("flipped.flips * 100", "tiered.customers", 0) }}
FROM flipped
CROSS JOIN tiered
UNION ALL
SELECT
  CAST(:policy_id AS TEXT),
  CAST(:year AS BIGINT),
  'provisional_share',
  '-',
  {{ exact.long_ratio("provisional", "decisions", 0) }}
FROM decided
UNION ALL
SELECT
  CAST(:policy_id AS TEXT),
  CAST(:year AS BIGINT),
  'average_completeness',
  '-',
  {{ exact.long_ratio("completeness", "decisions") }}
FROM decided
