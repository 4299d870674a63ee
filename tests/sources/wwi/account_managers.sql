-- Salespeople; the data has no addresses, so they are made up: one row per salesperson.
SELECT
  person_id AS account_manager_id,
  full_name AS name,
  'salesperson' || CAST(person_id AS VARCHAR(10)) || '@wwi.example' AS email,
  'en' AS locale
FROM wwi.salespeople
