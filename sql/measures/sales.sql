-- Sales of every account up to a day, credit notes subtracted: one row per account that has any.
SELECT
  account.account_id,
  {% for window in windows %}
  SUM(CASE WHEN fact.sold_on > :start_{{ window }} THEN fact.sign * fact.net_amount_reporting END) AS net_sales__{{ window }},
  CASE
    WHEN COUNT(CASE WHEN fact.sold_on > :start_{{ window }} AND fact.gross_amount_reporting IS NULL THEN 1 END) = 0
    THEN SUM(CASE WHEN fact.sold_on > :start_{{ window }} THEN fact.sign * fact.gross_amount_reporting END)
  END AS gross_sales__{{ window }},
  COUNT(CASE WHEN fact.sold_on > :start_{{ window }} THEN 1 END) AS line_count__{{ window }},
  COUNT(DISTINCT CASE WHEN fact.sold_on > :start_{{ window }} AND fact.is_purchase THEN fact.document_id END) AS order_count__{{ window }},
  MAX(CASE WHEN fact.sold_on > :start_{{ window }} AND fact.is_purchase THEN fact.sold_on END) AS last_sold_on__{{ window }}{{ "," if not loop.last }}
  {% endfor %}
FROM (
  SELECT
    customer_id,
    document_id,
    sold_on,
    CASE WHEN document_type = 'credit_note' THEN -1 ELSE 1 END AS sign,
    CASE WHEN document_type = 'credit_note' THEN ABS(net_amount_reporting) ELSE net_amount_reporting END AS net_amount_reporting,
    CASE WHEN document_type = 'credit_note' THEN ABS(gross_amount_reporting) ELSE gross_amount_reporting END AS gross_amount_reporting,
    COALESCE(document_type, 'invoice') = 'invoice' AS is_purchase
  FROM facts.sales
  WHERE sold_on <= :as_of
    AND batch_no <= :facts_batch_no
    AND (superseded_in IS NULL OR superseded_in > :facts_batch_no)
) AS fact
JOIN account ON account.customer_id = fact.customer_id
GROUP BY account.account_id
