-- Control totals of the positions of a day: one row per currency in which they do not add up to the documents and money of the facts.
WITH payment AS (
  {% include 'measures/payment.sql' %}
),
receivable AS (
  {% include 'measures/receivable.sql' %}
),
named_money AS (
  {% include 'measures/named_money.sql' %}
),
entry AS (
  SELECT currency, gross_amount AS documents, 0 AS money
  FROM receivable
  UNION ALL
  SELECT receivable.currency, 0, named_money.amount
  FROM named_money
  JOIN receivable ON receivable.document_id = named_money.document_id
  UNION ALL
  SELECT payment.currency, 0, payment.amount
  FROM payment
  LEFT JOIN named_money ON named_money.document_id = payment.document_id
  WHERE named_money.document_id IS NULL
  UNION ALL
  SELECT currency, -billed_amount, -paid_amount - unmatched_amount
  FROM tiering.receivable_position
  WHERE as_of = :as_of
)
SELECT currency, SUM(documents) AS documents, SUM(money) AS money
FROM entry
GROUP BY currency
HAVING SUM(documents) <> 0 OR SUM(money) <> 0
ORDER BY currency
