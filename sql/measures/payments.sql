-- Money received from every account up to a day, of every kind, refunds subtracted: one row per account that has any.
SELECT
  account.account_id
  {% for window in windows %}
  , SUM(CASE WHEN payment.paid_on > :start_{{ window }} THEN payment.amount_reporting END) AS received__{{ window }}
  {% endfor %}
FROM payment
JOIN account ON account.customer_id = payment.customer_id
GROUP BY account.account_id
