-- Value added tax by year, from the plan: one row per year.
INSERT INTO work.vat (year, vat_rate)
SELECT parsed.year, parsed.vat_rate
FROM work.parsed_plan AS parsed
WHERE parsed.vat_rate IS NOT NULL
  AND NOT EXISTS (
    SELECT 1 FROM work.refused AS refused WHERE refused.entity = 'plan' AND refused.position = parsed.position
  )
UNION ALL
SELECT standing.year, standing.vat_rate
FROM facts.plan AS standing
WHERE standing.superseded_in IS NULL
  AND NOT EXISTS (
    SELECT 1
    FROM work.parsed_plan AS parsed
    WHERE parsed.year = standing.year
      AND NOT EXISTS (
        SELECT 1 FROM work.refused AS refused WHERE refused.entity = 'plan' AND refused.position = parsed.position
      )
  )
