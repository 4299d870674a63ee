-- Open orders of every account up to a day, reporting currency: one row per account that has any.
SELECT account.account_id, SUM(open_order.amount_reporting) AS amount
FROM open_order
JOIN account ON account.customer_id = open_order.customer_id
GROUP BY account.account_id
