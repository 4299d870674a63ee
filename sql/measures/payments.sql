-- Money received from every account up to a day, of every kind, refunds subtracted: one row per account that has any.
SELECT
  account.account_id,
  {% for window in windows %}
  SUM(
    CASE WHEN fact.paid_on > :start_{{ window }} THEN
      CASE WHEN fact.kind = 'refund' THEN -ABS(fact.amount_reporting) ELSE fact.amount_reporting END
    END
  ) AS received__{{ window }}{{ "," if not loop.last }}
  {% endfor %}
FROM facts.payments AS fact
JOIN account ON account.customer_id = fact.customer_id
WHERE fact.paid_on <= :as_of
  AND fact.batch_no <= :facts_batch_no
  AND (fact.superseded_in IS NULL OR fact.superseded_in > :facts_batch_no)
GROUP BY account.account_id
