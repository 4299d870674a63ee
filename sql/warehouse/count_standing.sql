-- Rows that stand in the facts: one row.
SELECT COUNT(*) AS standing_rows
FROM (
  SELECT DISTINCT {{ "customer_id" if entity == "customers" else "account_manager_id" }}
  FROM facts.{{ entity }}
  WHERE superseded_in IS NULL
) AS known
