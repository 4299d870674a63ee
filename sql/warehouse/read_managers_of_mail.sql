-- The account managers as they stand: one row per manager.
SELECT account_manager_id, name, email, locale, reports_to_id, region
FROM facts.account_managers
WHERE superseded_in IS NULL
