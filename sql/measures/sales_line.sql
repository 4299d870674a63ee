-- Sales up to a day at the accounts that see them, credit notes negative: one row per line and account.
SELECT
  account.account_id,
  fact.document_id,
  fact.sold_on,
  fact.product_id,
  fact.document_type IS NULL OR fact.document_type = 'invoice' AS is_purchase,
  CASE
    WHEN fact.document_type = 'credit_note' THEN -ABS(fact.net_amount_reporting) ELSE fact.net_amount_reporting
  END AS net_amount,
  CASE
    WHEN fact.document_type = 'credit_note' THEN -ABS(fact.gross_amount_reporting) ELSE fact.gross_amount_reporting
  END AS gross_amount,
  CASE
    WHEN fact.document_type = 'credit_note' THEN -ABS(fact.cost_amount_reporting) ELSE fact.cost_amount_reporting
  END AS cost_amount
FROM facts.sales AS fact
JOIN account ON account.customer_id = fact.customer_id
WHERE fact.sold_on <= :as_of
  AND fact.batch_no <= :facts_batch_no
  AND (fact.superseded_in IS NULL OR fact.superseded_in > :facts_batch_no)
