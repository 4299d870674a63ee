-- The day that the lists of follow-ups and provisional grades were made for: one row, empty before the first.
SELECT MAX(as_of) AS listed_on
FROM (
  SELECT MAX(as_of) AS as_of FROM tiering.follow_up
  UNION ALL
  SELECT MAX(as_of) FROM tiering.provisional_grade
) AS listed
