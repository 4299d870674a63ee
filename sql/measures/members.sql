-- Who is seen at every account as of a day, with what the account itself says: one row per account and customer.
-- The head speaks for an account; it has none on a day on which its head has left, and is out of scope then.
SELECT
  account_id,
  customer_id,
  account_manager_id,
  MIN(opened_on) OVER (PARTITION BY account_id) AS first_opened_on,
  ROW_NUMBER() OVER (
    PARTITION BY account_id
    ORDER BY
      CASE WHEN customer_id = account_id THEN 0 ELSE 1 END,
      CASE WHEN customer_id = owner_id THEN 0 ELSE 1 END,
      customer_id COLLATE "C"
  ) = 1 AND COALESCE(status, 'active') <> 'left' AS is_head
FROM account
