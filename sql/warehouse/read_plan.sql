-- The plan of a year as it was known: one row, or none.
SELECT revenue_budget, gross_margin_rate, vat_rate, credit_budget
FROM facts.plan
WHERE year = :year
  AND batch_no <= :facts_batch_no
  AND (superseded_in IS NULL OR superseded_in > :facts_batch_no)
