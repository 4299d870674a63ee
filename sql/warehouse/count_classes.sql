-- How many accounts a run that is not published yet gave a class, and how many none: one row.
SELECT
  COUNT(CASE WHEN computed_tier IS NOT NULL THEN 1 END) AS graded,
  COUNT(CASE WHEN computed_tier IS NULL THEN 1 END) AS excluded
FROM work.decided
WHERE run_id = :run_id
