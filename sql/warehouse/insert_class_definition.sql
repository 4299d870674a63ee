-- Keeps what a class means in a tier of a policy version, the first time it is published.
INSERT INTO tiering.class_definition (policy_id, policy_version, class, tier, title_en, title_zh, actions)
SELECT
  CAST(:policy_id AS TEXT), CAST(:policy_version AS TEXT), CAST(:class AS TEXT), CAST(:tier AS TEXT),
  CAST(:title_en AS TEXT), CAST(:title_zh AS TEXT), CAST(:actions AS TEXT)
WHERE NOT EXISTS (
  SELECT 1
  FROM tiering.class_definition
  WHERE policy_id = :policy_id AND policy_version = :policy_version AND class = :class AND tier = :tier
)
