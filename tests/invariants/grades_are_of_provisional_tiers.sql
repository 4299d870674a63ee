-- Provisional grades that stand twice, whose days do not add up, or whose tier was not provisional on the day: one row each.
SELECT policy_id, customer_id
FROM tiering.provisional_grade
GROUP BY policy_id, customer_id
HAVING COUNT(*) > 1
UNION ALL
SELECT grade.policy_id, grade.customer_id
FROM tiering.provisional_grade AS grade
LEFT JOIN tiering.customer_tier_history AS spell
  ON spell.policy_id = grade.policy_id AND spell.customer_id = grade.customer_id
  AND spell.valid_from <= grade.as_of AND (spell.valid_to IS NULL OR spell.valid_to > grade.as_of)
WHERE spell.tier IS NULL
  OR spell.tier <> grade.tier
  OR spell.status <> 'provisional'
  OR grade.since_on > grade.as_of
  OR (grade.reason = 'new') <> (grade.began_on IS NOT NULL)
  OR grade.overdue_days <> CASE WHEN grade.final_by < grade.as_of THEN date_diff('day', grade.final_by, grade.as_of) ELSE 0 END
