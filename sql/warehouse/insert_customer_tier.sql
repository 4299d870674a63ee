-- The current tier of every account: the open row of its history, with what the latest run found.
INSERT INTO tiering.customer_tier (
  policy_id, customer_id, tier, tier_rank, computed_tier, status, score, since_on, as_of, next_review_on,
  completeness, policy_version, run_id
)
WITH {% include 'warehouse/begun_spells.jinja' %}
SELECT
  CAST(:policy_id AS TEXT),
  begun.customer_id,
  begun.tier,
  definition.tier_rank,
  begun.computed_tier,
  begun.status,
  decision.score,
  begun.since_on,
  CAST(:as_of AS DATE),
  CAST(:next_review_on AS DATE),
  decision.completeness,
  CAST(:policy_version AS TEXT),
  CAST(:run_id AS TEXT)
FROM begun
JOIN tiering.decision AS decision
  ON decision.policy_id = :policy_id AND decision.as_of = :decided_on AND decision.revision = :revision
  AND decision.customer_id = begun.customer_id
JOIN tiering.tier_definition AS definition
  ON definition.policy_id = :policy_id AND definition.policy_version = :policy_version AND definition.tier = begun.tier
WHERE begun.valid_to IS NULL
