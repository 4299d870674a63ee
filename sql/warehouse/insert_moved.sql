-- Keeps the accounts whose customers or whose scope are others than they were: one row per account.
INSERT INTO work.{{ moved }} (account_id)
SELECT DISTINCT COALESCE(now.account_id, known.account_id)
FROM work.{{ members }} AS now
FULL JOIN work.{{ members_before }} AS known
  ON known.account_id = now.account_id AND known.customer_id = now.customer_id AND known.is_head = now.is_head
WHERE now.account_id IS NULL OR known.account_id IS NULL
