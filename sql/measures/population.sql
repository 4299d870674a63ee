-- Who is in scope on a day: one row per account whose head has not left.
SELECT account_id, account_manager_id, customer_id, first_opened_on
FROM (
  SELECT
    account_id,
    account_manager_id,
    customer_id,
    status,
    MIN(opened_on) OVER (PARTITION BY account_id) AS first_opened_on,
    ROW_NUMBER() OVER (
      PARTITION BY account_id
      ORDER BY
        CASE WHEN customer_id = account_id THEN 0 ELSE 1 END,
        CASE WHEN customer_id = owner_id THEN 0 ELSE 1 END,
        customer_id COLLATE "C"
    ) AS nth
  FROM account
) AS member
WHERE nth = 1 AND COALESCE(status, 'active') <> 'left'
