-- Keeps what a tier of a policy version means, the first time it is published.
INSERT INTO tiering.tier_definition (
  policy_id, policy_version, tier, tier_rank, title_en, title_zh, rule, actions, terms, service_levels, owner_level,
  coverage, span_of_control, follow_up_days
)
SELECT
  CAST(:policy_id AS TEXT), CAST(:policy_version AS TEXT), CAST(:tier AS TEXT), CAST(:tier_rank AS INTEGER),
  CAST(:title_en AS TEXT), CAST(:title_zh AS TEXT), CAST(:rule AS TEXT), CAST(:actions AS TEXT),
  CAST(:terms AS TEXT), CAST(:service_levels AS TEXT), CAST(:owner_level AS TEXT), CAST(:coverage AS TEXT),
  CAST(:span_of_control AS INTEGER), CAST(:follow_up_days AS INTEGER)
WHERE NOT EXISTS (
  SELECT 1
  FROM tiering.tier_definition
  WHERE policy_id = :policy_id AND policy_version = :policy_version AND tier = :tier
)
