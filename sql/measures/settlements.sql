-- Money that names its document, by how long after issue it came, at the account that owed it: one row per account.
{% from 'measures/calendar.jinja' import days_between %}
SELECT
  account.account_id
  {% for window in windows %}
  {% set inside = "payment.paid_on > :start_" ~ window %}
  , SUM(CASE WHEN {{ inside }} THEN payment.amount_reporting END) AS amount__{{ window }}
  , SUM(
    CASE WHEN {{ inside }} AND payment.paid_on <= receivable.due_on THEN payment.amount_reporting END
  ) AS on_time__{{ window }}
  , SUM(
    CASE WHEN {{ inside }} THEN
      payment.amount_reporting * {{ days_between('receivable.issued_on', 'payment.paid_on') }}
    END
  ) AS amount_days__{{ window }}
  {% endfor %}
FROM payment
JOIN receivable ON receivable.document_id = payment.document_id
JOIN account ON account.customer_id = receivable.customer_id
WHERE receivable.gross_amount > 0
GROUP BY account.account_id
