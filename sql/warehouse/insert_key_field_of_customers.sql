-- Changes of the key columns of customers between the versions that stand: one row per customer, column and day.
-- What the source leaves empty is what it means: pays for itself, active, not blocked.
INSERT INTO work.key_field_change (customer_id, entity, field, before, after, changed_on, batch_no)
WITH version AS (
  SELECT
    customer_id,
    account_manager_id,
    COALESCE(bill_to_id, customer_id) AS bill_to_id,
    group_id,
    credit_limit,
    terms_days,
    COALESCE(status, 'active') AS status,
    COALESCE(is_blocked, FALSE) AS is_blocked,
    customer_type,
    holds_from,
    batch_no
  FROM facts.customers
  WHERE superseded_in IS NULL
),
follower AS (
  SELECT
    customer_id,
    account_manager_id,
    bill_to_id,
    group_id,
    credit_limit,
    terms_days,
    status,
    is_blocked,
    customer_type,
    LAG(account_manager_id) OVER (PARTITION BY customer_id ORDER BY holds_from) AS account_manager_id_before,
    LAG(bill_to_id) OVER (PARTITION BY customer_id ORDER BY holds_from) AS bill_to_id_before,
    LAG(group_id) OVER (PARTITION BY customer_id ORDER BY holds_from) AS group_id_before,
    LAG(credit_limit) OVER (PARTITION BY customer_id ORDER BY holds_from) AS credit_limit_before,
    LAG(terms_days) OVER (PARTITION BY customer_id ORDER BY holds_from) AS terms_days_before,
    LAG(status) OVER (PARTITION BY customer_id ORDER BY holds_from) AS status_before,
    LAG(is_blocked) OVER (PARTITION BY customer_id ORDER BY holds_from) AS is_blocked_before,
    LAG(customer_type) OVER (PARTITION BY customer_id ORDER BY holds_from) AS customer_type_before,
    ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY holds_from) AS nth,
    holds_from,
    batch_no
  FROM version
),
compared AS (
  SELECT
    customer_id,
    'account_manager_id' AS field,
    account_manager_id_before AS before,
    account_manager_id AS after,
    holds_from,
    batch_no
  FROM follower
  WHERE nth > 1
  UNION ALL
  SELECT customer_id, 'bill_to_id', bill_to_id_before, bill_to_id, holds_from, batch_no
  FROM follower
  WHERE nth > 1
  UNION ALL
  SELECT customer_id, 'group_id', group_id_before, group_id, holds_from, batch_no
  FROM follower
  WHERE nth > 1
  UNION ALL
  SELECT
    customer_id, 'credit_limit', CAST(credit_limit_before AS TEXT), CAST(credit_limit AS TEXT), holds_from, batch_no
  FROM follower
  WHERE nth > 1
  UNION ALL
  SELECT customer_id, 'terms_days', CAST(terms_days_before AS TEXT), CAST(terms_days AS TEXT), holds_from, batch_no
  FROM follower
  WHERE nth > 1
  UNION ALL
  SELECT customer_id, 'status', status_before, status, holds_from, batch_no
  FROM follower
  WHERE nth > 1
  UNION ALL
  SELECT customer_id, 'is_blocked', CAST(is_blocked_before AS TEXT), CAST(is_blocked AS TEXT), holds_from, batch_no
  FROM follower
  WHERE nth > 1
  UNION ALL
  SELECT customer_id, 'customer_type', customer_type_before, customer_type, holds_from, batch_no
  FROM follower
  WHERE nth > 1
)
SELECT customer_id, 'customers', field, before, after, holds_from, batch_no
FROM compared
WHERE before IS DISTINCT FROM after
