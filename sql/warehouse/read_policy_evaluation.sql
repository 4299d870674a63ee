-- The figures of a policy and a year: one row per figure and tier, tiers from the best.
SELECT evaluation.figure, evaluation.tier, evaluation.value
FROM tiering.policy_evaluation AS evaluation
LEFT JOIN tiering.tier_definition AS definition
  ON definition.policy_id = evaluation.policy_id
  AND definition.policy_version = :policy_version
  AND definition.tier = evaluation.tier
WHERE evaluation.policy_id = :policy_id AND evaluation.year = :year
ORDER BY evaluation.figure COLLATE "C", definition.tier_rank NULLS LAST, evaluation.tier COLLATE "C"
