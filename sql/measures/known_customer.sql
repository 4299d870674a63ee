-- The customers of a day with the attributes that hold on it; before the first extract, the first one holds: one row per customer.
SELECT
  customer_id,
  account_manager_id,
  bill_to_id,
  group_id,
  customer_type,
  industry,
  region,
  opened_on,
  currency,
  credit_limit,
  terms_days,
  status,
  is_blocked
FROM (
  SELECT
    customer_id,
    account_manager_id,
    bill_to_id,
    group_id,
    customer_type,
    industry,
    region,
    opened_on,
    currency,
    credit_limit,
    terms_days,
    status,
    is_blocked,
    ROW_NUMBER() OVER (
      PARTITION BY customer_id
      ORDER BY
        CASE WHEN holds_from <= :as_of THEN 0 ELSE 1 END,
        CASE WHEN holds_from <= :as_of THEN holds_from END DESC NULLS LAST,
        holds_from
    ) AS nth
  FROM facts.customers
  WHERE batch_no <= :facts_batch_no AND (superseded_in IS NULL OR superseded_in > :facts_batch_no)
) AS version
WHERE nth = 1 AND (opened_on IS NULL OR opened_on <= :as_of)
