-- The customers of a day with the attributes that hold on it; before the first extract, the first one holds: one row per customer.
-- Who is gone from the source, or erased, has left, whatever was said of it last.
SELECT
  version.customer_id,
  version.account_manager_id,
  version.bill_to_id,
  version.group_id,
  version.customer_type,
  version.industry,
  version.region,
  version.opened_on,
  version.currency,
  version.credit_limit,
  version.terms_days,
  CASE WHEN departed.customer_id IS NULL THEN version.status ELSE 'left' END AS status,
  version.is_blocked
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
LEFT JOIN departed ON departed.customer_id = version.customer_id
WHERE version.nth = 1 AND (version.opened_on IS NULL OR version.opened_on <= :as_of)
