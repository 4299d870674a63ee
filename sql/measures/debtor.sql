-- Which account every customer's documents and money are seen at; who is not known on the day is an account: one row per customer.
SELECT customer_id, account_id
FROM account
UNION ALL
SELECT stranger.customer_id, stranger.customer_id AS account_id
FROM (
  SELECT customer_id FROM receivable
  UNION
  SELECT customer_id FROM payment
) AS stranger
LEFT JOIN account ON account.customer_id = stranger.customer_id
WHERE account.customer_id IS NULL
