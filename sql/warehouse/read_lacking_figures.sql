-- Figures that were not known when grades were given that are provisional and due: one row per policy, customer and indicator.
SELECT grade.policy_id, grade.customer_id, component.indicator
FROM tiering.provisional_grade AS grade
JOIN (
  SELECT policy_id, as_of, revision, ROW_NUMBER() OVER (PARTITION BY policy_id ORDER BY as_of DESC, revision DESC) AS nth
  FROM tiering.run
  WHERE status = 'published' AND revision > 0
) AS measured ON measured.policy_id = grade.policy_id AND measured.nth = 1
JOIN tiering.score_component AS component
  ON component.policy_id = measured.policy_id AND component.as_of = measured.as_of
  AND component.revision = measured.revision AND component.customer_id = grade.customer_id
  AND component.is_missing
WHERE grade.reason = 'review' AND grade.final_by <= grade.as_of + CAST(:days_ahead AS INTEGER)
