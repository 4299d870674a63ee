-- Evaluations that no mail has told, or all of them (`with_told`): one row per policy and year, with the day whose tiers were looked at for it.
-- Of several such days the first: the last one of the year before.
SELECT evaluated.policy_id, evaluated.year, MIN(effect.as_of) AS as_of
FROM (SELECT DISTINCT policy_id, year FROM tiering.policy_evaluation) AS evaluated
LEFT JOIN tiering.tier_effect AS effect
  ON effect.policy_id = evaluated.policy_id AND EXTRACT(YEAR FROM effect.as_of + 1) = evaluated.year
LEFT JOIN tiering.told_evaluation AS told
  ON told.policy_id = evaluated.policy_id AND told.year = evaluated.year
WHERE :with_told OR told.policy_id IS NULL
GROUP BY evaluated.policy_id, evaluated.year
ORDER BY evaluated.policy_id, evaluated.year
