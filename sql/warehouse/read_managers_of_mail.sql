-- The account managers as they stand: one row per manager.
SELECT account_manager_id, name, email, locale
FROM facts.account_managers
WHERE superseded_in IS NULL
