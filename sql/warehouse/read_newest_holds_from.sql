-- The newest day from which extracted attributes hold: one row.
SELECT MAX(known.holds_from) AS holds_from
FROM (
  SELECT MAX(holds_from) AS holds_from FROM facts.customers WHERE superseded_in IS NULL
  UNION ALL
  SELECT MAX(holds_from) FROM tiering.batch
) AS known
